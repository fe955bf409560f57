"""A window with WebKit in it, for WebKitWebDriver; run by the system's Python, which has the bindings.

Debian's own small browser works in a private session when it is driven, and WebKit keeps the console of such a session
to itself. This one has a folder to live in, writes its console to standard output, and what it loads too.
"""

import sys

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("WebKit2", "4.1")
from gi.repository import Gtk, WebKit2  # noqa: E402 - the versions come first

folder = sys.argv[1]
data = WebKit2.WebsiteDataManager(base_data_directory=folder, base_cache_directory=folder)
here = ["localhost", "127.0.0.1"]
# What is not for this machine goes to a port where nobody is.
nobody = WebKit2.NetworkProxySettings.new("http://127.0.0.1:9", here)
data.set_network_proxy_settings(WebKit2.NetworkProxyMode.CUSTOM, nobody)
context = WebKit2.WebContext(website_data_manager=data)
context.set_automation_allowed(True)
Gtk.Settings.get_default().set_property("gtk-xft-hinting", 0)  # else letters are moved to whole pixels, words grow


def load(view, resource, request):
    print("LOADS", request.get_uri(), flush=True)


def show(context, session):
    settings = WebKit2.Settings(enable_write_console_messages_to_stdout=True)
    view = WebKit2.WebView(web_context=context, is_controlled_by_automation=True, settings=settings)
    view.connect("resource-load-started", load)
    view.connect("close", lambda *_: Gtk.main_quit())
    window = Gtk.Window()
    window.add(view)
    window.show_all()
    session.connect("create-web-view", lambda *_: view)
    about = WebKit2.ApplicationInfo()
    about.set_name("window")
    session.set_application_info(about)


context.connect("automation-started", show)
Gtk.main()

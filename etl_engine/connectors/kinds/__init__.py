"""One file per kind; the file is the plugin: the registry finds it by its `KIND`."""

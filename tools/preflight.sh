#!/bin/sh
# Says what this machine lacks before pip fails on it: Python 3.11+, a C compiler, Python's and GMP's
# headers (libp2p's fastecdsa is compiled on install).
PYTHON=${PYTHON:-python3}

fail() {
    printf 'commonhold: %s\n  next: %s\n' "$1" "$2" >&2
    exit 1
}

command -v "$PYTHON" >/dev/null || fail "there is no $PYTHON" "install Python 3.11 or newer (Debian, Ubuntu: apt-get install python3 python3-venv)"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$("$PYTHON" --version) is too old" "install Python 3.11 or newer, then: make PYTHON=python3.11"
"$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || fail "$PYTHON cannot make a virtual environment" "apt-get install python3-venv"
CC=${CC:-cc}
command -v "$CC" >/dev/null || fail "there is no C compiler" "apt-get install build-essential (Fedora: dnf install gcc; macOS: xcode-select --install)"

include=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("include"))')
[ -e "$include/Python.h" ] || fail "Python's headers are missing" "apt-get install python3-dev (Fedora: dnf install python3-devel)"
printf '#include <gmp.h>\nint main(void){return 0;}\n' | "$CC" -x c -fsyntax-only ${CFLAGS:-} - 2>/dev/null ||
    fail "the GMP headers are missing" "apt-get install libgmp-dev (Fedora: dnf install gmp-devel; macOS: brew install gmp, then CFLAGS=-I\$(brew --prefix)/include)"

#!/usr/bin/env bash
# Install all that `make sweep` and `make test` need into .venv. A second run returns immediately.
#
# PYTHON=…  the Python interpreter (default: python3.11, else python3; 3.11 or newer)
# FFCV=no   leave FFCV out;  FFCV=yes  try FFCV again after a failure;  NO_APT=1  never call apt-get
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=.venv
HEADERS="pkg-config libopencv-dev libturbojpeg0-dev g++"

say() { echo "setup: $*" >&2; }
lock_hash() { cat "$@" | sha256sum | cut -c1-16; }
is_done() { [ "$(cat "$VENV/$1" 2>/dev/null)" = "$2" ]; }

find_python() {
    local candidate version found=""
    for candidate in ${PYTHON:-python3.11 python3}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
        if version=$("$candidate" -c 'import platform; print(platform.python_version())' 2>/dev/null); then
            found+="$candidate is Python $version; "
        elif [ -n "${PYTHON:-}" ]; then
            found+="$candidate was not found; "
        fi
    done
    say "${found}Python 3.11 or newer is needed: install it, or give its path: make PYTHON=/path/to/python3.11 …"
    return 1
}

# apt_install PACKAGE…: fails silently without root and without password-free sudo.
apt_install() {
    local as_root=()
    [ -z "${NO_APT:-}" ] && command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || return 1
        as_root=(sudo -n)
    fi
    say "apt-get install $*"
    # A cloud machine updates itself after its start, and holds apt's lock meanwhile.
    local get=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    "${get[@]}" install -y --no-install-recommends "$@" >/dev/null 2>&1 && return
    { "${get[@]}" update && "${get[@]}" install -y --no-install-recommends "$@"; } >/dev/null
}

make_venv() {
    local python
    python=$(find_python)
    say "virtual environment in $VENV ($("$python" --version))"
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null && ! apt_install python3-venv; then
        say "python3 has no venv module; as root: apt-get install python3-venv, then run make again"
        return 1
    fi
    "$python" -m venv --clear "$VENV"
}

# install_locked FILE [OPTION…]: with uv, which is fast; else with pip, which reads pip's settings.
# Bytecode is compiled now. Else every process would compile it where Python cannot write (an image,
# PYTHONDONTWRITEBYTECODE).
install_locked() {
    local file=$1
    shift
    if [ -x "$VENV/bin/uv" ]; then
        UV_HTTP_TIMEOUT=300 "$VENV/bin/uv" pip install --python "$VENV/bin/python" \
            --require-hashes --compile-bytecode "$@" -r "$file" && return
        say "uv could not install $file; trying pip"
    fi
    "$VENV/bin/python" -m pip install --disable-pip-version-check --require-hashes "$@" -r "$file"
}

install_base() {
    local stamp=$1
    # An interrupted set-up may have left half a package behind: start again from an empty .venv.
    if [ ! -x "$VENV/bin/python" ] || [ -e "$VENV/.unfinished" ]; then make_venv; fi
    touch "$VENV/.unfinished"
    rm -f "$VENV/.ready"
    say "packages of requirements.lock (about 6 GB with torch's CUDA libraries)"
    "$VENV/bin/python" -m pip install -q --disable-pip-version-check --require-hashes \
        -r requirements-uv.lock || say "uv is not available here; installing with pip, which takes longer"
    install_locked requirements.lock --only-binary :all:
    "$VENV/bin/python" -m pip install -q --disable-pip-version-check --no-deps \
        --no-build-isolation --no-index -e .
    rm -f "$VENV/.unfinished"
    echo "$stamp" >"$VENV/.ready"
}

has_headers() {
    command -v g++ >/dev/null && pkg-config --exists opencv4 libturbojpeg 2>/dev/null &&
        "$VENV/bin/python" -c 'import os, sysconfig, sys
sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'
}

# FFCV is a source build and optional: the set-up succeeds, even if FFCV fails.
install_ffcv() {
    if ! has_headers && ! apt_install $HEADERS python3-dev; then
        say "FFCV is left out, and the resident loader is used instead; to add FFCV, as root: apt-get install $HEADERS python3-dev; then: make ffcv"
    elif ! install_locked requirements-ffcv.lock --no-deps --no-build-isolation >"$VENV/ffcv.log" 2>&1 ||
        ! "$VENV/bin/python" -c 'import ffcv' >>"$VENV/ffcv.log" 2>&1; then
        say "FFCV could not be built (see $VENV/ffcv.log), and the resident loader is used instead; to try again: make ffcv"
    else
        say "FFCV is installed"
    fi
}

main() {
    local base ffcv
    base=$(lock_hash requirements.lock requirements-uv.lock)
    ffcv=$(lock_hash requirements.lock requirements-ffcv.lock)
    if is_done .ready "$base" && [ "${FFCV:-}" != yes ] && { [ "${FFCV:-}" = no ] || is_done .ffcv "$ffcv"; }; then
        return
    fi
    exec 9>.setup-lock
    flock 9 # if two makes run at a time, the second waits, and finds everything done
    is_done .ready "$base" || install_base "$base"
    if [ "${FFCV:-}" = yes ] || { [ "${FFCV:-}" != no ] && ! is_done .ffcv "$ffcv"; }; then
        say "FFCV (a source build, optional)"
        install_ffcv
        echo "$ffcv" >"$VENV/.ffcv"
    fi
    say "done"
}

main

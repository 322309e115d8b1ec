# shellcheck shell=bash
# Makes the environment .venv. Sourced by scripts/compare and scripts/test, which then call
# `set_up requirements.txt` or `set_up requirements-test.txt`; leaves $root and $venv behind.
# Written for bash 3.2 and later, so that a Mac's own bash will do.

# Python takes four times as long to start where this keeps it from storing compiled files.
unset PYTHONDONTWRITEBYTECODE
unset CDPATH   # it would send the cd below elsewhere

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv
stamp=$venv/gru-lab.stamp     # which locks are installed
making=$venv/gru-lab.making   # exists, with the process's number, while an installation is under way
log=$venv/install.log

say() { printf 'gru-lab: %s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }

# $1: `requirements.txt` or `requirements-test.txt`, the second of which holds the first
set_up() {
  local lock=$1 sum
  # The folder counts too: an environment that was moved or copied points to where it came from.
  sum=$(set -o pipefail
    { echo "$root" && cat -- "$root/requirements.txt" "$root/requirements-test.txt" "$root/pyproject.toml"; } \
      2>/dev/null | cksum) || fail "requirements.txt, requirements-test.txt or pyproject.toml is missing in $root"
  if [ -x "$venv/bin/python" ] && [ ! -e "$making" ]; then
    case $(cat -- "$stamp" 2>/dev/null) in
      "$lock $sum" | "requirements-test.txt $sum") return ;;
    esac
  fi

  mkdir -p -- "$venv" 2>/dev/null && touch -- "$venv/.writable" 2>/dev/null \
    || fail "the folder $root is not writable, and the environment .venv belongs there"
  rm -f -- "$venv/.writable"
  one_at_a_time
  enough_disk
  prepare_venv
  rm -f -- "$stamp"
  trap stopped INT TERM HUP
  install_lock "$lock"
  trap - INT TERM HUP
  printf '%s' "$lock $sum" >"$stamp"
  rm -f -- "$making"
  say "the environment is ready ($SECONDS s)"
}

one_at_a_time() {
  local other
  other=$(cat -- "$making" 2>/dev/null)
  if [ -n "$other" ] && [ "$other" != $$ ] && kill -0 "$other" 2>/dev/null; then
    fail "another set-up (process $other) is at work in $venv: call again when it is done, or remove $making"
  fi
}

# In MB, as measured: .venv takes 1100 (1450 with the tests), and the installer's downloads up to as much again.
enough_disk() {
  local need=2500 free
  [ -s "$stamp" ] && need=500   # only what has changed since
  free=$(df -Pk -- "$venv" 2>/dev/null | awk 'NR == 2 {print int($4 / 1024)}')
  if [ -n "$free" ] && [ "$free" -lt "$need" ]; then
    fail "not enough disk: the environment needs $need MB in $root, and $free MB are free"
  fi
}

is_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# Sets $python. A command may exist and still not run (a shim of pyenv's, the store's stub on Windows).
find_python() {
  if [ -n "${PYTHON:-}" ]; then
    is_python "$PYTHON" || fail "PYTHON=$PYTHON is not a Python of version 3.11 or later that runs"
    python=$PYTHON
    return
  fi
  for python in python3.14 python3.13 python3.12 python3.11 python3 python; do
    is_python "$python" && return
  done
  fail "no Python 3.11 or later was found: install one, or name it with PYTHON=/path/to/python"
}

# Sets $uv to a uv that runs: the user's own, or the environment's.
find_uv() {
  for uv in uv "$venv/bin/uv"; do
    "$uv" --version >/dev/null 2>&1 && return
  done
  uv=
}

prepare_venv() {
  # An installation that was cut short may have left half a package behind: start afresh, which is quick,
  # since the installer keeps what it has downloaded.
  if [ -e "$making" ] || ! is_python "$venv/bin/python"; then
    if [ ! -e "$making" ] && [ ! -e "$stamp" ] && "$venv/bin/python" -c pass 2>/dev/null; then
      fail "$venv holds a Python older than 3.11, which this project cannot use: remove it and call again"
    fi
    find_python
    rm -rf -- "$venv"
    mkdir -p -- "$venv"
    echo $$ >"$making"
    say "making .venv with $("$python" --version 2>&1)"
    find_uv
    if [ -n "$uv" ] && "$uv" venv --quiet --allow-existing --python "$python" "$venv" >>"$log" 2>&1; then
      return
    fi
    "$python" -m venv "$venv" >>"$log" 2>&1 || fail "$python could not make an environment, most likely \
because its venv module is not installed (on Debian and Ubuntu: apt install python3-venv); see $log"
  else
    echo $$ >"$making"
    : >"$log"
  fi
}

# Installs the lock with uv, or with pip where uv cannot be had or does not get through (pip may know
# of a mirror that uv does not), then the project itself, editable.
install_lock() {
  local lock=$1 count with_pip with_uv
  with_pip=("$venv/bin/python" -m pip --disable-pip-version-check --no-input install)
  count=$(sed -n 's/==.*//p' "$root/$lock" | sort -u | wc -l | tr -d ' ')
  find_uv
  if [ -z "$uv" ] && has_pip; then
    ticking "fetching uv, a fast installer" "${with_pip[@]}" 'uv>=0.5' && find_uv
  fi
  if [ -n "$uv" ]; then
    with_uv=("$uv" pip install --python "$venv/bin/python")
    ticking "installing about $count packages" "${with_uv[@]}" --require-hashes -r "$root/$lock" \
      && ticking "installing gru-lab itself" "${with_uv[@]}" --no-deps -e "$root" && return
    [ "$(cause)" = "$disk_full" ] && give_up
  fi
  has_pip || give_up
  ticking "installing about $count packages with pip, which takes minutes" \
    "${with_pip[@]}" --require-hashes -r "$root/$lock" \
    && ticking "installing gru-lab itself" "${with_pip[@]}" --no-deps -e "$root" || give_up
}

has_pip() {
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip >>"$log" 2>&1
}

give_up() {
  local cause
  cause=$(cause)
  # A full disk may leave half a package behind; other failures come before anything is changed.
  [ "$cause" = "$disk_full" ] || rm -f -- "$making"
  fail "the installation failed, most likely because $cause; see $log"
}

# The likely cause of a failure, from the installer's own words.
disk_full="the disk is full"
cause() {
  local words
  words=$(grep -iE 'error|fail|warn|could not|caused|retry|because' "$log")
  said() { printf '%s' "$words" | grep -qiE "$1"; }
  if said 'no space left|disk quota'; then
    echo "$disk_full"
  elif said 'hash'; then
    echo "a download differs from the lock"
  elif said 'connect|network|timed out|time-?out|resol|dns|proxy|unreachable|certificate'; then
    echo "there is no network (the package index could not be reached)"
  elif said 'no matching distribution|no solution|no wheels|no .*compatible wheel'; then
    echo "a package is not available for this Python or system"
  elif said 'permission denied'; then
    echo "a folder is not writable"
  else
    echo "of what the last lines of its log say"
  fi
}

# Runs a command with its output in the log and one line, on a terminal a moving one, for the person.
ticking() {
  local what=$1 code start=$SECONDS
  shift
  say "$what ..."
  printf '\n$ %s\n' "$*" >>"$log"
  ticker=
  if [ -t 2 ]; then
    # ends by itself should this shell be killed
    (while kill -0 $$ 2>/dev/null; do
      sleep 1
      printf '\r\033[K  %4d s  %.60s' $((SECONDS - start)) "$(tail -n 1 -- "$log")" >&2
    done) &
    ticker=$!
  fi
  (cd -- "$root" && "$@") >>"$log" 2>&1 </dev/null
  code=$?
  stop_ticking
  case $code in 130 | 143) stopped ;; esac   # the person's wish, and no failure to work around
  return "$code"
}

stopped() {
  stop_ticking
  say "stopped; the next call goes on from here"
  exit 130
}

stop_ticking() {
  [ -z "${ticker:-}" ] && return
  kill "$ticker" 2>/dev/null
  wait "$ticker" 2>/dev/null
  ticker=
  printf '\r\033[K' >&2
}

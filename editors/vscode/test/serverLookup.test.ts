/** The order in which places are searched for a server, with real files in real folders. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { findServer, type Places } from '../src/serverLookup';

const NOWHERE: Places = { configured: [], options: [], interpreter: undefined, searchPath: '', toolFolder: '' };
const REAL_UV = (process.env.PATH ?? '')
    .split(delimiter)
    .map((each) => join(each, 'uv'))
    .find((each) => existsSync(each));
let folder = '';

before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dlm-lsp-'));
});

after(() => rm(folder, { recursive: true }));

async function script(name: string, text = ''): Promise<string> {
    const path = join(folder, name);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return path;
}

test('nothing is found where nothing is', async () => {
    assert.equal(await findServer(NOWHERE), undefined);
});

test('the setting goes first, with its own arguments', async () => {
    const command = await script('own/dlm-lsp');
    const interpreter = await script('environment/bin/python');
    await script('environment/bin/dlm-lsp');
    const server = await findServer({ ...NOWHERE, configured: [command, '-v'], interpreter });
    assert.deepEqual([server?.command, server?.args], [command, ['-v', 'serve']]);
});

test('options follow `serve`, in whatever place the server is', async () => {
    const command = await script('own/dlm-lsp');
    const uv = await script('tools/uv', '[ "$*" = "tool run --offline dlm-lsp --version" ]');
    const options = ['--connect', '/run/dlm.sock'];
    const named = await findServer({ ...NOWHERE, configured: [command, '-v'], options });
    assert.deepEqual([named?.command, named?.args], [command, ['-v', 'serve', ...options]]);
    const byUv = await findServer({ ...NOWHERE, searchPath: join(folder, 'tools'), options });
    assert.deepEqual([byUv?.command, byUv?.args.slice(-3)], [uv, ['serve', ...options]]);
});

test('a setting that names nothing is not passed over', async () => {
    await script('path/dlm-lsp');
    const places = { ...NOWHERE, configured: ['/nowhere/dlm-lsp'], searchPath: join(folder, 'path') };
    assert.equal(await findServer(places), undefined);
});

test('the command beside the interpreter goes before PATH', async () => {
    const beside = await script('venv/bin/dlm-lsp');
    const interpreter = await script('venv/bin/python');
    await script('path/dlm-lsp');
    const server = await findServer({ ...NOWHERE, interpreter, searchPath: join(folder, 'path') });
    assert.deepEqual([server?.command, server?.args], [beside, ['serve']]);
});

test('an interpreter without the package leaves it to PATH', async () => {
    const interpreter = await script('bare/bin/python');
    const onPath = await script('path/dlm-lsp');
    const server = await findServer({ ...NOWHERE, interpreter, searchPath: join(folder, 'path') });
    assert.equal(server?.command, onPath);
});

test('relative entries of PATH are not looked into', async () => {
    await script('path/dlm-lsp');
    const working = process.cwd();
    process.chdir(folder);
    try {
        assert.equal(await findServer({ ...NOWHERE, searchPath: ['path', '.', ''].join(delimiter) }), undefined);
    } finally {
        process.chdir(working);
    }
});

test('PATH goes before the folder of user-wide tools, which is looked into though it is not on PATH', async () => {
    const command = await script('home/.local/bin/dlm-lsp');
    const toolFolder = join(folder, 'home/.local/bin');
    const alone = await findServer({ ...NOWHERE, toolFolder });
    assert.deepEqual([alone?.command, alone?.args, alone?.source], [command, ['serve'], '~/.local/bin']);
    const onPath = await script('path/dlm-lsp');
    assert.equal((await findServer({ ...NOWHERE, toolFolder, searchPath: join(folder, 'path') }))?.command, onPath);
    assert.equal((await findServer({ ...NOWHERE, toolFolder, configured: ['dlm-lsp'] }))?.command, command);
});

test('uv is asked last, and only for what it has already', async () => {
    const uv = await script('tools/uv', '[ "$*" = "tool run --offline dlm-lsp --version" ]');
    const server = await findServer({ ...NOWHERE, searchPath: join(folder, 'tools') });
    assert.deepEqual([server?.command, server?.args], [uv, ['tool', 'run', '--offline', 'dlm-lsp', 'serve']]);
    assert.equal((await findServer({ ...NOWHERE, toolFolder: join(folder, 'tools') }))?.command, uv);
});

/** Has uv install a command `dlm-lsp` that knows its version and nothing else; nothing is downloaded. */
const WHEEL = `
import sys, zipfile
name = 'dlm_lsp-1.2.3'
files = {
    'stand_in.py': 'def main():\\n    print("dlm-lsp 1.2.3")\\n',
    f'{name}.dist-info/METADATA': 'Metadata-Version: 2.1\\nName: dlm-lsp\\nVersion: 1.2.3\\n',
    f'{name}.dist-info/WHEEL': 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n',
    f'{name}.dist-info/entry_points.txt': '[console_scripts]\\ndlm-lsp = stand_in:main\\n',
}
files[f'{name}.dist-info/RECORD'] = ''.join(f'{file},,\\n' for file in files)
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    for file, text in files.items():
        wheel.writestr(file, text)
`;

test('a real uv runs what it has installed, and is passed over before', { skip: !REAL_UV && 'uv is not on PATH' }, async () => {
    const run = promisify(execFile);
    Object.assign(process.env, {
        UV_TOOL_DIR: join(folder, 'uv/tools'),
        UV_TOOL_BIN_DIR: join(folder, 'uv/bin'),
        UV_CACHE_DIR: join(folder, 'uv/cache'),
    });
    const uv = join(folder, 'real/uv');
    await mkdir(join(folder, 'real'));
    await symlink(REAL_UV ?? '', uv);
    const places = { ...NOWHERE, searchPath: join(folder, 'real') };
    assert.equal(await findServer(places), undefined);
    const wheel = join(folder, 'dlm_lsp-1.2.3-py3-none-any.whl');
    await run('python3', ['-c', WHEEL, wheel]);
    await run(uv, ['tool', 'install', '--offline', '--python', 'python3', wheel]);
    const server = await findServer(places);
    assert.equal(server?.source, 'uv tool run');
    const versionArgs = [...server.args.slice(0, -1), '--version'];
    assert.equal((await run(server.command, versionArgs)).stdout, 'dlm-lsp 1.2.3\n');
});

test('a uv that does not have it is no server', async () => {
    await script('empty/uv', 'exit 1');
    assert.equal(await findServer({ ...NOWHERE, searchPath: join(folder, 'empty') }), undefined);
});

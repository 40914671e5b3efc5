/** The order in which places are asked for a server, with real files in real folders. */

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';
import { findServer, type Places } from '../src/serverLookup';

const NOWHERE: Places = { configured: [], interpreter: undefined, searchPath: '' };
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

test('uv is asked last, and only for what it has already', async () => {
    const uv = await script('tools/uv', '[ "$*" = "tool run --offline dlm-lsp --version" ]');
    const server = await findServer({ ...NOWHERE, searchPath: join(folder, 'tools') });
    assert.deepEqual([server?.command, server?.args], [uv, ['tool', 'run', '--offline', 'dlm-lsp', 'serve']]);
});

test('a uv that does not have it is no server', async () => {
    await script('empty/uv', 'exit 1');
    assert.equal(await findServer({ ...NOWHERE, searchPath: join(folder, 'empty') }), undefined);
});

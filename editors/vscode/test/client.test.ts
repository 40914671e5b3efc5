/** When the server is started, and started anew, with real files as servers and a client that starts none of them. */

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import type { ExtensionContext, LogOutputChannel } from 'vscode';
import { Daemon } from '../src/client';
import { missingServerMessage } from '../src/missingServer';
import { LanguageClient, State } from './fakes/languageClient';
import { happened, python, settings, window } from './fakes/vscode';

const OUTPUT = { info: () => undefined, warn: () => undefined } as unknown as LogOutputChannel;
const MISSING = "The dlm-lsp server was not found on the machine that has this window's files.";
const { started } = LanguageClient;
const errors: string[] = [];
let folder = '';

happened.on('error', (message: string) => errors.push(message));

before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dlm-lsp-'));
    process.env.HOME = process.env.PATH = folder;
    for (const name of ['one', 'other', 'bare']) {
        await mkdir(join(folder, name));
    }
    await writeFile(join(folder, 'one/dlm-lsp'), '', { mode: 0o755 });
    await writeFile(join(folder, 'other/dlm-lsp'), '', { mode: 0o755 });
});

after(() => rm(folder, { recursive: true }));

beforeEach(() => {
    started.length = errors.length = 0;
    LanguageClient.fails = false;
    settings.clear();
});

function select(environment: string): void {
    const executable = { uri: { fsPath: join(folder, environment, 'python') } };
    const resolveEnvironment = () => Promise.resolve({ executable });
    python.api = { environments: { getActiveEnvironmentPath: () => ({}), resolveEnvironment } };
}

async function running(environment: string): Promise<Daemon> {
    const daemon = new Daemon({} as ExtensionContext, OUTPUT, {});
    select(environment);
    await daemon.restart();
    return daemon;
}

test('the server that runs stays if it would be found again', async () => {
    const daemon = await running('one');
    await daemon.lookAgain();
    assert.deepEqual([started.length, started[0]?.state], [1, State.Running]);
});

test('an interpreter that the setting overrules changes nothing', async () => {
    settings.set('server.command', [join(folder, 'one/dlm-lsp')]);
    const daemon = await running('one');
    select('other');
    await daemon.lookAgain();
    assert.equal(started.length, 1);
});

test('the server of another interpreter takes over', async () => {
    const daemon = await running('one');
    select('other');
    await daemon.lookAgain();
    const commands = started.map(({ executable }) => executable.command);
    assert.deepEqual(commands, [join(folder, 'one/dlm-lsp'), join(folder, 'other/dlm-lsp')]);
    assert.equal(started[0]?.state, State.Stopped);
});

test('a server that has stopped is started anew', async () => {
    const daemon = await running('one');
    await started[0]?.dispose();
    await daemon.lookAgain();
    assert.equal(started.length, 2);
});

test('a server whose start failed is started anew', async () => {
    LanguageClient.fails = true;
    const daemon = await running('one');
    LanguageClient.fails = false;
    await daemon.lookAgain();
    assert.deepEqual([started.length, started[1]?.state], [2, State.Running]);
});

test('a server that is not there is told once, and never again to who does not want it', async () => {
    const memory = new Map<string, unknown>();
    const memento = {
        get: (key: string, byDefault: unknown) => memory.get(key) ?? byDefault,
        update: (key: string, value: unknown) => Promise.resolve(void memory.set(key, value)),
    } as unknown as ExtensionContext['globalState'];
    const daemon = new Daemon({} as ExtensionContext, OUTPUT, {});
    const tell = missingServerMessage(memento);
    daemon.onMissing(() => void tell());
    select('bare');
    await daemon.restart();
    await daemon.restart();
    assert.deepEqual([errors, memory.size], [[MISSING], 0]);

    window.button = "Don't Show Again";
    await missingServerMessage(memento)();
    await missingServerMessage(memento)();
    assert.equal(errors.length, 2);
});

/** The selected interpreter, as the Python extension tells it, or fails to. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { selectedInterpreter } from '../src/interpreter';
import { python } from './fakes/vscode';

const SELECTED = { path: '/environment' };

function installed(getActiveEnvironmentPath: () => unknown, resolveEnvironment: () => Promise<unknown>): void {
    python.api = { environments: { getActiveEnvironmentPath, resolveEnvironment } };
}

test('an environment is resolved to its interpreter', async () => {
    const executable = { uri: { fsPath: '/environment/bin/python' } };
    installed(
        () => SELECTED,
        () => Promise.resolve({ executable }),
    );
    assert.equal(await selectedInterpreter(), '/environment/bin/python');
});

test('there is none without the Python extension', async () => {
    python.api = undefined;
    assert.equal(await selectedInterpreter(), undefined);
});

test('there is none if the environment cannot be resolved', async () => {
    installed(
        () => SELECTED,
        () => Promise.reject(new Error('broken')),
    );
    assert.equal(await selectedInterpreter(), undefined);
});

test('there is none if the Python extension fails at once', async () => {
    const fail = (): never => {
        throw new Error('broken');
    };
    installed(fail, () => Promise.resolve(undefined));
    assert.equal(await selectedInterpreter(), undefined);
});

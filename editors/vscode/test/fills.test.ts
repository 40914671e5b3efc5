/** A fill is applied to the text that it was made for, and to no other. */

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { CancellationToken, Range, TextDocument } from 'vscode';
import type { Daemon } from '../src/client';
import { Fills } from '../src/fills';
import type { FillPreview } from '../src/preview';
import { ResponseError } from './fakes/languageClient';
import { happened, type WorkspaceEdit, workspace } from './fakes/vscode';

const HERE = { start: 0, end: 0 } as unknown as Range;
const TEXT = 'return left + right';
const STALE = 'The document has changed since it was filled. Fill it again.';
const warnings: string[] = [];
const edits: string[] = [];

happened.on('warning', (message: string) => warnings.push(message));
happened.on('edit', ({ replacements }: WorkspaceEdit) => edits.push(...replacements.map(({ text }) => text)));

beforeEach(() => {
    warnings.length = edits.length = 0;
    workspace.isEditable = true;
});

/** A preview that takes its time to open and to close, as VS Code does; `opened` holds the diffs that stand. */
function slowPreview(opened: Range[]): FillPreview {
    const pause = () => setTimeout(20);
    return {
        onDidClose: () => ({ dispose: () => undefined }),
        open: async () => {
            opened.length = 0;
            await pause();
            opened.push(HERE);
        },
        update: () => undefined,
        close: async () => {
            opened.length = 0;
            await pause();
        },
    } as unknown as FillPreview;
}

/** A fill that waits in its diff, and the document; `onClose` runs while the diff closes. */
async function waiting(
    onClose: (document: { version: number }) => void,
    infillRange: (document: { version: number }) => Promise<unknown> = () =>
        Promise.resolve({ range: HERE, text: TEXT, version: 1 }),
): Promise<[Fills, { version: number }]> {
    const document = { uri: 'file:///sum.py', version: 1, offsetAt: () => 0, positionAt: () => 0 };
    const daemon = { infillRange };
    const preview = {
        onDidClose: () => ({ dispose: () => undefined }),
        open: () => Promise.resolve(),
        update: () => undefined,
        close: async () => {
            await Promise.resolve();
            onClose(document);
        },
    };
    const fills = new Fills(daemon as unknown as Daemon, preview as unknown as FillPreview);
    await fills.fill(document as unknown as TextDocument, HERE);
    return [fills, document];
}

test('a fill is applied once', async () => {
    const [fills] = await waiting(() => undefined);
    await Promise.all([fills.apply(), fills.apply()]);
    assert.deepEqual([edits, warnings], [[TEXT], []]);
});

test('a fill of a text that has changed stays in its diff', async () => {
    let hasClosed = false;
    const [fills, document] = await waiting(() => (hasClosed = true));
    document.version += 1;
    await fills.apply();
    assert.deepEqual([edits, warnings, hasClosed], [[], [STALE], false]);
});

test('of fills in quick succession the last one alone is asked for, and has the only diff', async () => {
    const [opened, asked]: [Range[], Range[]] = [[], []];
    const infillRange = (_document: unknown, range: Range) => {
        asked.push(range);
        return Promise.resolve({ range, text: TEXT, version: 1 });
    };
    const fills = new Fills({ infillRange } as unknown as Daemon, slowPreview(opened));
    const document = { uri: 'file:///sum.py', version: 1 } as unknown as TextDocument;
    const ranges = [0, 1, 2].map((start) => ({ start, end: start }) as unknown as Range);
    const [first, second, third] = ranges.map((range) => fills.fill(document, range));
    await Promise.all([first, second, third]);
    assert.deepEqual([asked, opened.length], [[ranges[2]], 1]);

    const slow = fills.fill(document, HERE);
    await setTimeout(5);
    await Promise.all([fills.another(), slow]);
    assert.deepEqual([asked.length, opened.length], [2, 1], 'the diff of the first was still being opened');

    await Promise.all([fills.fill(document, HERE), fills.discard()]);
    assert.deepEqual([asked.length, opened], [2, []]);
});

test('a fill that is superseded is cancelled at once', async () => {
    const tokens: CancellationToken[] = [];
    const infillRange = (...[, , , token]: [unknown, unknown, unknown, CancellationToken]) => {
        tokens.push(token);
        return new Promise(() => undefined);
    };
    const fills = new Fills({ infillRange } as unknown as Daemon, slowPreview([]));
    const document = { uri: 'file:///sum.py', version: 1 } as unknown as TextDocument;
    void fills.fill(document, HERE);
    while (tokens.length === 0) {
        await setTimeout(5);
    }
    void fills.fill(document, HERE);
    assert.deepEqual([tokens.length, tokens[0]?.isCancellationRequested], [1, true]);
});

test('a fill is not applied to what was typed while its diff closed', async () => {
    const [fills] = await waiting((document) => (document.version += 1));
    await fills.apply();
    assert.deepEqual([edits, warnings], [[], [STALE]]);
});

test('an edit that VS Code refuses is told', async () => {
    const [fills] = await waiting(() => undefined);
    workspace.isEditable = false;
    await fills.apply();
    assert.deepEqual(warnings, [STALE]);
});

for (const [why, numEdits, told] of [
    ['the document is edited', 1, 'the document was edited in the meantime.'],
    ['settings change', 0, 'the server stopped it because settings changed.'],
] as const) {
    test(`a fill that the server ends, because ${why}, is told in words`, async () => {
        await waiting(
            () => undefined,
            (document) => {
                document.version += numEdits;
                return Promise.reject(new ResponseError(-32800, 'Request with id "12" is canceled'));
            },
        );
        assert.deepEqual(warnings, [`Nothing was filled: ${told}`]);
    });
}

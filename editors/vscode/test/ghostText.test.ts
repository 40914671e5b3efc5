/** A draft that was accepted is inserted once it is finished; where it cannot be, that is told. */

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import type { CancellationToken, InlineCompletionContext, InlineCompletionItem, Position, TextDocument } from 'vscode';
import type { DraftDecoration } from '../src/drafts';
import { GhostText } from '../src/ghostText';
import type { DraftParams } from '../src/protocol';
import type { StatusItem } from '../src/status';
import { CancellationError, happened, window } from './fakes/vscode';

const DRAFT = { uri: 'file:///sum.py', version: 1 } as DraftParams;
const ITEM = { insertText: 'return total' } as unknown as InlineCompletionItem;
const HERE = {} as unknown as Position;
const RUNNING = { isCancellationRequested: false } as CancellationToken;
const inserted: unknown[] = [];
const warnings: string[] = [];

happened.on('warning', (message: string) => warnings.push(message));

beforeEach(() => {
    inserted.length = warnings.length = 0;
});

/** An editor that takes what is inserted, or refuses it. */
function editorOf(document: TextDocument, take: () => Promise<boolean>): unknown {
    const insert = (text: unknown): Promise<boolean> => {
        inserted.push(text);
        return take();
    };
    return {
        document,
        selections: [HERE],
        edit: (change: (builder: { replace: (range: unknown, text: string) => void }) => void) => {
            const texts: string[] = [];
            change({ replace: (_range, text) => texts.push(text) });
            return insert(texts.join());
        },
        insertSnippet: ({ value }: { value: string }) => insert({ snippet: value }),
    };
}

interface Scene {
    answer?: () => Promise<InlineCompletionItem[]>;
    take?: () => Promise<boolean>;
    reason?: string;
    isAccepted?: boolean;
}

/** Has a draft drawn, accepted and answered; returns what VS Code is given to show. */
async function finish({ answer, take, reason = '', isAccepted = true }: Scene): Promise<unknown> {
    const document = { uri: DRAFT.uri, version: 1, offsetAt: () => 0, positionAt: () => HERE } as unknown as TextDocument;
    window.activeTextEditor = editorOf(document, take ?? (() => Promise.resolve(true)));
    const drafts = { draw: () => undefined, clear: () => undefined } as unknown as DraftDecoration;
    const status = { current: { message: reason }, concerns: () => undefined } as unknown as StatusItem;
    const ghostText = new GhostText(drafts, () => false, status);
    const context = {} as InlineCompletionContext;
    const shown = await ghostText.provide(document, HERE, context, RUNNING, async () => {
        ghostText.showDraft(DRAFT);
        ghostText.acceptDraft(isAccepted);
        return (answer ?? (() => Promise.resolve([ITEM])))();
    });
    await new Promise(setImmediate);
    return shown;
}

test('the result is inserted, and not shown', async () => {
    assert.equal(await finish({}), undefined);
    assert.deepEqual([inserted, warnings], [['return total'], []]);
});

test('a snippet is inserted as one', async () => {
    const snippet = { insertText: { value: 'return $1' } } as unknown as InlineCompletionItem;
    await finish({ answer: () => Promise.resolve([snippet]) });
    assert.deepEqual([inserted, warnings], [[{ snippet: 'return $1' }], []]);
});

test('what was not accepted is shown, and nothing is told', async () => {
    assert.deepEqual(await finish({ isAccepted: false }), [ITEM]);
    assert.deepEqual(await finish({ isAccepted: false, answer: () => Promise.resolve([]) }), []);
    assert.deepEqual([inserted, warnings], [[], []]);
});

for (const [why, scene, told] of [
    ['refuses it', { take: () => Promise.resolve(false) }, 'the document has changed in the meantime.'],
    ['is closed', { take: () => Promise.reject(new Error('closed')) }, 'the document has changed in the meantime.'],
    [
        'is not in front',
        {
            answer: () => {
                window.activeTextEditor = undefined;
                return Promise.resolve([ITEM]);
            },
        },
        'another editor is active now.',
    ],
] satisfies [string, Scene, string][]) {
    test(`a result is told that an editor does not take, because it ${why}`, async () => {
        await finish(scene);
        assert.deepEqual(warnings, [`Nothing was inserted: ${told}`]);
    });
}

test('it is told why nothing has come of a draft', async () => {
    const nothing = () => Promise.resolve([]);
    await finish({ answer: nothing, reason: 'What the model wrote does not parse.' });
    await finish({ answer: nothing });
    assert.deepEqual(warnings, [
        'Nothing was inserted: What the model wrote does not parse.',
        'Nothing was inserted: the draft came to nothing.',
    ]);
});

test('an error is told, and passed on', async () => {
    await assert.rejects(finish({ answer: () => Promise.reject(new Error('the model has gone')) }));
    await assert.rejects(finish({ answer: () => Promise.reject(new CancellationError()) }));
    assert.deepEqual(warnings, [
        'Nothing was inserted: the model has gone',
        'Nothing was inserted: the server stopped it because settings changed or a fill was requested.',
    ]);
});

/** Drafts of many lines, stable in places, as the one line that is drawn beside the cursor. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { draftLine } from '../src/draftLine';

test('lines are joined, and the indentation before the text is dropped', () => {
    const line = draftLine({ text: '\n    total = 0\n    return total\n', stableRanges: [] });
    assert.deepEqual(line, { stable: '', guessed: 'total = 0 ↵ return total' });
});

test('what is stable from the beginning on is cut from the rest', () => {
    const line = draftLine({ text: 'return a + b', stableRanges: [[0, 6], [6, 8], [9, 10]] });
    assert.deepEqual(line, { stable: 'return a', guessed: ' + b' });
});

test('a gap ends what is stable', () => {
    assert.equal(draftLine({ text: 'return a', stableRanges: [[3, 8]] }).stable, '');
});

test('blanks that are stable do not keep the rest away from the cursor', () => {
    const line = draftLine({ text: '    \n  x = 1', stableRanges: [[0, 5]] });
    assert.deepEqual(line, { stable: '', guessed: 'x = 1' });
});

test('the line has a limited length, however much of it is stable', () => {
    const text = 'x'.repeat(500);
    for (const end of [0, 60, 119, 120, 500]) {
        const { stable, guessed } = draftLine({ text, stableRanges: [[0, end]] });
        assert.ok(stable.length + guessed.length <= 120, `${end.toString()} stable`);
        assert.ok((stable + guessed).endsWith('…'));
    }
});

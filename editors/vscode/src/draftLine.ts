/**
 * A draft as one line of limited length, cut where stability ends. Knows nothing of VS Code.
 */

import type { DraftParams } from './protocol';

const MAX_CHARS = 120;

export interface DraftLine {
    /** The beginning that no later step changes. */
    readonly stable: string;
    readonly guessed: string;
}

/** Lines are joined by `↵`; blanks around the text are dropped. */
export function draftLine({ text, stableRanges }: Pick<DraftParams, 'text' | 'stableRanges'>): DraftLine {
    const end = stableEnd(stableRanges);
    const stable = joinLines(text.slice(0, end).trimStart());
    const rest = text.slice(end).trimEnd();
    return clip({ stable, guessed: joinLines(stable === '' ? rest.trimStart() : rest) });
}

function stableEnd(ranges: DraftParams['stableRanges']): number {
    let end = 0;
    for (const [start, stop] of ranges) {
        if (start > end) {
            break;
        }
        end = stop;
    }
    return end;
}

function joinLines(text: string): string {
    return text.replace(/\s*\n\s*/g, ' ↵ ');
}

function clip({ stable, guessed }: DraftLine): DraftLine {
    if (stable.length + guessed.length <= MAX_CHARS) {
        return { stable, guessed };
    }
    const room = MAX_CHARS - 1;
    return { stable: stable.slice(0, room), guessed: `${guessed.slice(0, Math.max(0, room - stable.length))}…` };
}

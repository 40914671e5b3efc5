/**
 * What the daemon speaks beside LSP, as `dlm_lsp/messages.py` defines it. Columns, and the offsets of `stableRanges`,
 * count UTF-16 code units: what VS Code negotiates, and what its strings are made of.
 */

import { type Command, NotificationType, type Range } from 'vscode-languageclient/node';

/** Section of the settings, on both sides. */
export const SECTION = 'dlm-lsp';

/** `workspace/executeCommand`, arguments `[uri, range, options?]`, answered by an `InfillRangeResult`. */
export const INFILL_RANGE = 'dlmLsp.infillRange';

export type StatusState = 'normal' | 'busy' | 'warning' | 'error' | 'inactive';

/** How the daemon is, or why nothing is shown. */
export interface StatusParams {
    readonly state: StatusState;
    readonly message: string;
    /** What would help, where something would. */
    readonly command?: Command | null;
}

/** The middle as it stands after a denoise step. */
export interface DraftParams {
    readonly uri: string;
    readonly version: number | null;
    readonly range: Range;
    readonly text: string;
    readonly step: number;
    readonly numSteps: number;
    /** Half-open ranges of `text` that no later step changes. */
    readonly stableRanges: readonly (readonly [number, number])[];
}

/** What a fill comes to; this client is never asked to apply one, see `client.ts`. */
export interface InfillRangeResult {
    readonly uri: string;
    readonly version: number | null;
    readonly range: Range;
    readonly text: string;
}

/** How to decode one fill, over what the settings say. */
export interface DecodeOverrides {
    readonly seed?: number;
    readonly temperature?: number;
}

export const StatusNotification = new NotificationType<StatusParams>('dlmLsp/status');
export const DraftNotification = new NotificationType<DraftParams>('dlmLsp/draft');

/**
 * The daemon's messages beside LSP, as `dlm_lsp/messages.py` defines them. Columns, and the offsets of `stableRanges`,
 * count UTF-16 code units, which VS Code negotiates and its strings consist of.
 */

import { type Command, NotificationType, type Range } from 'vscode-languageclient/node';

/** Section of the settings, on both sides. */
export const SECTION = 'dlm-lsp';

/** `workspace/executeCommand`, arguments `[uri, range, options?]`, answered by an `InfillRangeResult`. */
export const INFILL_RANGE = 'dlmLsp.infillRange';

export type StatusState = 'normal' | 'busy' | 'warning' | 'error' | 'inactive';

/** The state of the daemon, or why nothing is shown. */
export interface StatusParams {
    readonly state: StatusState;
    readonly message: string;
    /** A command that would help, if there is one. */
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

/** The result of a fill; this client is never asked to apply one, see `client.ts`. */
export interface InfillRangeResult {
    readonly uri: string;
    readonly version: number | null;
    readonly range: Range;
    readonly text: string;
}

/** Options for one fill, which override the settings. */
export interface DecodeOverrides {
    readonly seed?: number;
    readonly temperature?: number;
}

export const StatusNotification = new NotificationType<StatusParams>('dlmLsp/status');
export const DraftNotification = new NotificationType<DraftParams>('dlmLsp/draft');

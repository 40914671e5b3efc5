/**
 * Finds the executable of the server in several places, in a fixed order. Knows nothing of VS Code.
 *
 * Always the installed command `dlm-lsp`, never `python -m`: Python would import modules out of the workspace.
 */

import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';

const UV_PROBE_MS = 10_000;

/** A command that speaks LSP on its standard streams. */
export interface ServerCommand {
    readonly command: string;
    readonly args: readonly string[];
    /** Where it was found, for people. */
    readonly source: string;
}

/** Where to look. */
export interface Places {
    /** The machine's own setting: a command with its arguments; empty if it is not set. */
    readonly configured: readonly string[];
    /** What to add after `serve`, wherever the command was found. */
    readonly options: readonly string[];
    /** The selected Python interpreter; undefined if there is none, or it is not trusted. */
    readonly interpreter: string | undefined;
    /** In the format of `PATH`. */
    readonly searchPath: string;
    /**
     * Where `uv tool install` and pipx put commands. Often it is on no `PATH` that VS Code knows: over SSH that is a
     * login shell's, asked for once in the life of VS Code's server, and a login shell adds this folder only where it
     * exists already.
     */
    readonly toolFolder: string;
}

/** `Places.toolFolder` of the current user. */
export function userToolFolder(): string {
    return join(homedir(), '.local/bin');
}

/** The first place that has a server. A setting is taken or refused, never passed over. */
export async function findServer(places: Places): Promise<ServerCommand | undefined> {
    const found = places.configured.length > 0 ? await configuredServer(places) : await anyServer(places);
    return found && { ...found, args: [...found.args, 'serve', ...places.options] };
}

/** Whether both are started alike, wherever they were found. */
export function isSameCommand(one: ServerCommand | undefined, other: ServerCommand | undefined): boolean {
    return isDeepStrictEqual([one?.command, one?.args], [other?.command, other?.args]);
}

async function anyServer(places: Places): Promise<ServerCommand | undefined> {
    return (
        (await besideInterpreter(places)) ??
        (await installed(places.searchPath, 'PATH')) ??
        (await installed(places.toolFolder, '~/.local/bin')) ??
        (await byUv(places))
    );
}

async function configuredServer(places: Places): Promise<ServerCommand | undefined> {
    const [first = '', ...args] = places.configured;
    const named = first.startsWith('~/') ? join(homedir(), first.slice(2)) : first;
    const command = isAbsolute(named) ? await executable(named) : await anywhere(named, places);
    return command === undefined ? undefined : { command, args, source: 'the setting dlm-lsp.server.command' };
}

async function besideInterpreter({ interpreter }: Places): Promise<ServerCommand | undefined> {
    if (interpreter === undefined || !isAbsolute(interpreter)) {
        return undefined;
    }
    const command = await executable(join(dirname(interpreter), scriptName('dlm-lsp')));
    return command === undefined ? undefined : { command, args: [], source: 'the selected Python interpreter' };
}

async function installed(searchPath: string, source: string): Promise<ServerCommand | undefined> {
    const command = await which('dlm-lsp', searchPath);
    return command === undefined ? undefined : { command, args: [], source };
}

/** uv's own copy of the tool; offline, so that uv installs nothing. */
async function byUv(places: Places): Promise<ServerCommand | undefined> {
    const uv = await anywhere('uv', places);
    if (uv === undefined) {
        return undefined;
    }
    const run = ['tool', 'run', '--offline', 'dlm-lsp'];
    try {
        await promisify(execFile)(uv, [...run, '--version'], { cwd: homedir(), timeout: UV_PROBE_MS });
    } catch {
        return undefined;
    }
    return { command: uv, args: run, source: 'uv tool run' };
}

async function anywhere(name: string, { searchPath, toolFolder }: Places): Promise<string | undefined> {
    return (await which(name, searchPath)) ?? (await which(name, toolFolder));
}

/** Relative entries of `PATH` are skipped: they would be looked up in whatever folder happens to be open. */
async function which(name: string, searchPath: string): Promise<string | undefined> {
    for (const folder of searchPath.split(delimiter).filter(isAbsolute)) {
        const found = await executable(join(folder, scriptName(name)));
        if (found !== undefined) {
            return found;
        }
    }
    return undefined;
}

async function executable(path: string): Promise<string | undefined> {
    try {
        await access(path, constants.X_OK);
        return (await stat(path)).isFile() ? path : undefined;
    } catch {
        return undefined;
    }
}

function scriptName(name: string): string {
    return process.platform === 'win32' && !name.endsWith('.exe') ? `${name}.exe` : name;
}

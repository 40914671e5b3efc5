/**
 * The Python interpreter that is selected in this window, as the Python extension (ms-python.python) tells it.
 */

import { type Disposable, type Event, extensions, workspace } from 'vscode';

/** The part of that extension's API that is used here. */
interface PythonApi {
    readonly environments?: {
        getActiveEnvironmentPath(): { readonly path: string };
        resolveEnvironment(environment: {
            readonly path: string;
        }): Promise<{ readonly executable: { readonly uri?: { readonly fsPath: string } } } | undefined>;
        readonly onDidChangeActiveEnvironmentPath: Event<unknown>;
    };
}

/**
 * Undefined without the Python extension, where that fails, and in an untrusted workspace, which could bring its own
 * interpreter.
 */
export async function selectedInterpreter(): Promise<string | undefined> {
    if (!workspace.isTrusted) {
        return undefined;
    }
    try {
        const environments = (await pythonApi())?.environments;
        const selected = environments && (await environments.resolveEnvironment(environments.getActiveEnvironmentPath()));
        return selected?.executable.uri?.fsPath;
    } catch {
        return undefined;
    }
}

/** Calls back when another interpreter is selected. */
export async function onInterpreterChange(listener: () => void): Promise<Disposable | undefined> {
    return (await pythonApi())?.environments?.onDidChangeActiveEnvironmentPath(listener);
}

async function pythonApi(): Promise<PythonApi | undefined> {
    const python = extensions.getExtension<PythonApi | undefined>('ms-python.python');
    try {
        return await python?.activate();
    } catch {
        return undefined;
    }
}

/** How long a test waits for what must come: longer than a loaded machine takes, since it ends a wait that has failed. */

export const PATIENCE = 120_000; // milliseconds

/** Time limit of a test's wait: longer than a busy machine needs, because only a failed wait reaches it. */

export const PATIENCE = 120_000; // milliseconds

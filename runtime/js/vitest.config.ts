import { defineConfig } from "vitest/config";

import { PATIENCE } from "./tests/patience.ts";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    testTimeout: 4 * PATIENCE, // a test may wait several times
    hookTimeout: 4 * PATIENCE,
    expect: { poll: { timeout: PATIENCE } },
  },
});

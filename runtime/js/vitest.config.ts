import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    testTimeout: 60_000, // a browser on a busy machine
    hookTimeout: 60_000,
  },
});

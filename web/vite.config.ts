import { defineConfig } from "vite";

// One script and one style sheet with fixed names: two builds of the same sources give the same bytes.
export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../src/objectspace/explorer/static",
    emptyOutDir: true,
    modulePreload: false,
    rollupOptions: {
      input: { app: "src/main.tsx", worker: "src/worker.ts" },
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "[name].js",
        assetFileNames: "app[extname]",
      },
    },
  },
});

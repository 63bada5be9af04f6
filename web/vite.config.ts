import { defineConfig } from "vite";

// One script, its worker inside, and one style sheet with fixed names: the page can be a single file, and two builds
// of the same sources give the same bytes.
export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../src/objectspace/explorer/static",
    emptyOutDir: true,
    modulePreload: false,
    rollupOptions: {
      input: { app: "src/main.tsx" },
      output: {
        entryFileNames: "[name].js",
        assetFileNames: "app[extname]",
      },
    },
  },
});

// Where the built pages lie, for the server that sends them. The pages themselves are below `page/`, built by vite.

/** Holds index.html, docs.html and their assets; absent until `npm run build`. */
export const dashboardFolder: URL = new URL('../dist/app/', import.meta.url);

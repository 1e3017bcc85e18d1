// The API reference: RapiDoc over this service's own OpenAPI document. Nothing is loaded from anywhere else.
import './rapidoc.js';

const isDark = matchMedia('(prefers-color-scheme: dark)').matches;
const page = document.createElement('rapi-doc');
const settings = {
  'spec-url': '/openapi.json',
  theme: isDark ? 'dark' : 'light',
  'render-style': 'read',
  'load-fonts': 'false',
  'regular-font': 'system-ui, sans-serif',
  'mono-font': 'ui-monospace, monospace',
  'show-header': 'false',
  'allow-server-selection': 'false',
  'schema-style': 'table',
  'primary-color': isDark ? '#8ab4ff' : '#1f4fbf',
};
for (const [name, value] of Object.entries(settings)) page.setAttribute(name, value);
document.body.append(page);

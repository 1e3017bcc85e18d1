// Which of its two faces the page shows: the operator's dashboard, or below /view what a tenant link opens. Both call the
// same names; a tenant's calls go to the routes that know only that tenant.

export const isView = location.pathname === '/view' || location.pathname.startsWith('/view/');

export const base = isView ? '/view' : '/dashboard';

export function pathOf(operatorPath: string): string {
  return isView ? operatorPath.replace(/^\/operator\//, '/view/api/') : operatorPath;
}

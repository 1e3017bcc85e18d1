import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { field, startApi, type TestApi } from '../api.fixture.ts';
import { type CallOperator, operatorOf } from '../operator/operator.fixture.ts';

let api: TestApi;
let operator: CallOperator;
beforeAll(async () => {
  api = await startApi();
  operator = operatorOf(api);
});
afterAll(() => api.close());

const pathOf = (json: unknown): string => new URL(String(field(json, 'url'))).pathname;

describe('asking for the head of a link', () => {
  // Link previews ask for it first: it signed them in, and nobody else could use the link any more. 405 would have them
  // ask again with GET.
  it('does not use up a sign-in link', async () => {
    const target = pathOf((await operator('POST', '/operator/session')).json);
    for (let time = 0; time < 2; time += 1) {
      const head = await api.call({ method: 'HEAD', target });
      expect(head).toMatchObject({ status: 200, text: '' });
      expect(head.headers['set-cookie']).toBeUndefined();
      expect(head.headers['cache-control']).toBe('no-store');
    }
    const opened = await api.call({ target });
    expect(opened.headers['location']).toBe('/dashboard');
    expect(opened.headers['set-cookie']).toContain('bellhop_session=');
  });

  it('does not open a tenant link, and says nothing of one that does not exist', async () => {
    const { clientId } = await api.tenant();
    const links = `/operator/tenants/${clientId}/links`;
    const target = pathOf((await operator('POST', links)).json);
    const head = await api.call({ method: 'HEAD', target });
    expect(head).toMatchObject({ status: 200, text: '' });
    expect(head.headers['set-cookie']).toBeUndefined();
    expect((await operator('GET', links)).json).toMatchObject({ data: [{ opened_at: null }] });
    expect((await api.call({ method: 'HEAD', target: '/view/open/nonsense' })).status).toBe(200);
    expect((await api.call({ method: 'HEAD', target: '/dashboard/open/nonsense' })).status).toBe(200);
    expect((await api.call({ target })).headers['location']).toBe('/view/webhooks');
  });
});

// Signing in with a pasted operator token: it is exchanged at once for a session in a cookie that no script can read, and
// kept nowhere.

import { useState } from 'preact/hooks';
import { call } from '../api.ts';

/** What is left of a tenant link that has ended. */
export function LinkEndedPage() {
  return (
    <main class="sign-in">
      <h1>This link has ended</h1>
      <p>It was made for a short time, or was revoked. Ask whoever sent it for a new one.</p>
    </main>
  );
}

export function SignInPage() {
  const [error, setError] = useState<string>();
  const isExpired = new URLSearchParams(location.search).get('sign-in') === 'expired';
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (!(event.currentTarget instanceof HTMLFormElement)) return;
    const token = String(new FormData(event.currentTarget).get('token')).trim();
    const result = await call<{ url: string }>('POST', '/operator/session', undefined, {
      authorization: `Bearer ${token}`,
    });
    if (result.ok) {
      // On this very origin, whatever name the service knows itself by.
      location.assign(new URL(result.value.url).pathname);
      return;
    }
    setError(result.status === 401 ? 'That is not an operator token of this service.' : result.detail);
  };
  return (
    <main class="sign-in">
      <h1>Bellhop</h1>
      {isExpired ? (
        <p role="alert" class="problem">
          That sign-in link was used already or is older than a minute. Make a new one, or paste the token.
        </p>
      ) : null}
      <form onSubmit={(event) => void submit(event)}>
        <label>
          Operator token
          <input type="password" name="token" required autocomplete="current-password" />
        </label>
        {error === undefined ? null : (
          <p role="alert" class="problem">
            {error}
          </p>
        )}
        <button type="submit" class="main">
          Sign in
        </button>
      </form>
      <p class="muted">
        In development it stands in <code>.bellhop/dev.json</code>, in production in <code>BELLHOP_OPERATOR_TOKEN</code>
        . A link without pasting: <code>POST /operator/session</code>.
      </p>
    </main>
  );
}

// A button that changes something. It opens a dialog that says what will happen (counted first where that is possible),
// does it when confirmed, and leaves the result on the page. Whoever may not do it sees the button disabled, with the
// reason.

import type { ComponentChildren, VNode } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { type Result, session } from '../api.ts';
import type { Role } from '../api-types.ts';

const order: readonly Role[] = ['read', 'operate', 'admin'];

export function mayDo(role: Role): boolean {
  return order.indexOf(session.value?.role ?? 'read') >= order.indexOf(role);
}

export interface ActionProps {
  readonly label: string;
  readonly title?: string;
  /** The role that may do it; absent: operate. */
  readonly needs?: Role;
  readonly tone?: 'danger' | 'main';
  /** No package is blocked, so there is nothing to act on. */
  readonly disabled?: boolean;
  /** What will happen; may ask the service first. */
  readonly explain: VNode | (() => Promise<VNode>);
  /** Fields of the dialog. */
  readonly fields?: ComponentChildren;
  readonly confirm: string;
  /** The same by command line. */
  readonly command?: string;
  readonly run: (form: FormData) => Promise<Result<unknown>>;
  readonly done: (value: unknown) => ComponentChildren;
}

export function Action({
  label,
  title,
  needs = 'operate',
  tone,
  disabled = false,
  explain,
  fields,
  confirm,
  command,
  run,
  done,
}: ActionProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isOpen, setOpen] = useState(false);
  const [text, setText] = useState<ComponentChildren>();
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState<string>();
  const [result, setResult] = useState<ComponentChildren>();
  const heading = useId();
  const isAllowed = mayDo(needs);

  useEffect(() => {
    if (!isOpen) return;
    dialog.current?.showModal();
    setError(undefined);
    if (typeof explain !== 'function') {
      setText(explain);
      return;
    }
    setText('Counting…');
    let isCurrent = true;
    void explain().then((counted) => {
      if (isCurrent) setText(counted);
    });
    return () => {
      isCurrent = false;
    };
  }, [isOpen]);

  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget instanceof HTMLFormElement ? event.currentTarget : undefined);
    setRunning(true);
    setError(undefined);
    const answer = await run(form);
    setRunning(false);
    if (!answer.ok) {
      setError(answer.detail);
      return;
    }
    setResult(done(answer.value));
    dialog.current?.close();
  };

  return (
    <>
      <button
        type="button"
        class={tone ?? ''}
        disabled={disabled || !isAllowed}
        title={!isAllowed ? `Needs the role ${needs}` : disabled ? 'No package is blocked' : title}
        onClick={() => {
          setResult(undefined);
          setOpen(true);
        }}
      >
        {label}
      </button>
      {result === undefined ? null : (
        <p role="status" class="result">
          {result}
        </p>
      )}
      {isOpen ? (
        <dialog ref={dialog} aria-labelledby={heading} onClose={() => setOpen(false)}>
          <form onSubmit={(event) => void submit(event)}>
            <h2 id={heading}>{title ?? label}</h2>
            <div class="explain" aria-live="polite">
              {text}
            </div>
            {fields}
            {command === undefined ? null : (
              <p class="command">
                Same by command: <code>{command}</code>
              </p>
            )}
            {error === undefined ? null : (
              <p role="alert" class="problem">
                {error}
              </p>
            )}
            <div class="buttons">
              <button type="button" onClick={() => dialog.current?.close()}>
                Cancel
              </button>
              <button type="submit" class={tone ?? 'main'} disabled={isRunning}>
                {isRunning ? 'Working…' : confirm}
              </button>
            </div>
          </form>
        </dialog>
      ) : null}
    </>
  );
}

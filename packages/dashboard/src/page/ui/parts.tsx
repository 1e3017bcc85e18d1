// The small parts of every page: times, states, copy buttons, facts, notes, empty and loading states.

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { absolute, isUtc, span } from '../format.ts';
import { now } from '../live.ts';

/** Relative, with the absolute time on hover and for screen readers. `in` counts down to what lies ahead. */
export function Time({ at, plain = false }: { readonly at: string | null; readonly plain?: boolean }) {
  if (at === null) return <>–</>;
  const date = new Date(at);
  const full = absolute(date);
  if (plain || isUtc.value) {
    return (
      <time dateTime={at} title={at}>
        {full}
      </time>
    );
  }
  const difference = now.value - date.getTime();
  const text = difference >= 0 ? `${span(difference)} ago` : `in ${span(-difference)}`;
  return (
    <time dateTime={at} title={full}>
      {Math.abs(difference) < 1_500 ? 'now' : text}
    </time>
  );
}

/** How long something has lasted. */
export function Since({ at }: { readonly at: string }) {
  return (
    <time dateTime={at} title={absolute(new Date(at))}>
      {span(now.value - new Date(at).getTime())}
    </time>
  );
}

const shapes: Readonly<Record<string, string>> = {
  flowing: '●',
  delivered: '●',
  ok: '●',
  waiting: '◔',
  'catching up': '»',
  retrying: '▲',
  failed: '▲',
  skipped: '⤼',
  disabled: '❚❚',
};

/** Word, shape and colour: never the colour alone. */
export function State({ word }: { readonly word: string }) {
  return (
    <span class={`state state-${word.replaceAll(' ', '-')}`}>
      <span aria-hidden="true">{shapes[word] ?? '○'}</span> {word}
    </span>
  );
}

export function Copy({ text, what }: { readonly text: string; readonly what: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1_500);
  };
  return (
    <button type="button" class="quiet" aria-label={`Copy ${what}`} onClick={() => void copy()}>
      {isCopied ? 'copied' : `copy ${what}`}
    </button>
  );
}

export function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export function Problem({ error }: { readonly error: string | undefined }) {
  return error === undefined ? null : (
    <p role="alert" class="problem">
      {error}
    </p>
  );
}

export function Skeleton({ rows = 3 }: { readonly rows?: number }) {
  return (
    <div class="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} />
      ))}
    </div>
  );
}

/** A scrolling region must be reachable by keyboard, so it has a name and a tab stop. */
export function Code({ text, label }: { readonly text: string; readonly label: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
    <section class="code" aria-label={label} tabIndex={0}>
      <pre>
        <code>{text}</code>
      </pre>
    </section>
  );
}

/** A table that scrolls by itself on a narrow screen. */
export function Table({
  label,
  head,
  children,
}: {
  readonly label: string;
  readonly head: readonly string[];
  readonly children: ComponentChildren;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
    <section class="table" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {head.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}

export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    // Not JSON: shown as it is.
    return text;
  }
}

// Realistic events without end: small stories (an order is placed, executed and settled; a user is onboarded; money comes
// in and goes out), several under way at once, each a row of events of different types about the same user, account and
// resource. Events are the catalogue's examples with new ids, so each is valid against its schema.

import { type EventType, example, type UndeliveredEvent } from '@bellhop/events';

/** The things a story is about; each gets an id per story. */
type Thing = 'user' | 'group' | 'account' | 'order' | 'execution' | 'payment' | 'check' | 'booking';

interface Step {
  readonly type: EventType;
  /** What `object.id` (or the key of the category) stands for. */
  readonly about: Thing;
  readonly refersTo?: Readonly<Record<string, Thing>>;
}

const userAndAccount = { user_id: 'user', account_id: 'account' } as const;
const userAndGroup = { user_id: 'user', account_group_id: 'group' } as const;

const stories: readonly (readonly Step[])[] = [
  [
    { type: 'ORDER.NEW', about: 'order', refersTo: userAndAccount },
    { type: 'ORDER.PROCESSING', about: 'order', refersTo: userAndAccount },
    { type: 'EXECUTION.FILLED', about: 'execution', refersTo: { order_id: 'order' } },
    { type: 'ORDER.FILLED', about: 'order', refersTo: userAndAccount },
    { type: 'POSITION.UPDATED', about: 'account' },
    { type: 'CASH_BALANCE.UPDATED', about: 'group' },
    { type: 'EXECUTION.SETTLED', about: 'execution', refersTo: { order_id: 'order' } },
  ],
  [
    { type: 'ORDER.NEW', about: 'order', refersTo: userAndAccount },
    { type: 'ORDER.PROCESSING', about: 'order', refersTo: userAndAccount },
    { type: 'ORDER.CANCELLED', about: 'order', refersTo: userAndAccount },
  ],
  [
    { type: 'USER.CREATED', about: 'user' },
    { type: 'USER_CHECK.CREATED', about: 'check', refersTo: { user_id: 'user' } },
    { type: 'USER_CHECK.PASSED', about: 'check', refersTo: { user_id: 'user' } },
    { type: 'USER.ACTIVATED', about: 'user' },
    { type: 'ACCOUNT_GROUP.CREATED', about: 'group' },
    { type: 'ACCOUNT.CREATED', about: 'account', refersTo: { account_group_id: 'group' } },
    { type: 'ACCOUNT.ACTIVATED', about: 'account', refersTo: { account_group_id: 'group' } },
  ],
  [
    { type: 'DIRECT_DEBIT.NEW', about: 'payment', refersTo: userAndGroup },
    { type: 'DIRECT_DEBIT.PROCESSING', about: 'payment', refersTo: userAndGroup },
    { type: 'DIRECT_DEBIT.CONFIRMED', about: 'payment', refersTo: userAndGroup },
    { type: 'CASH_BALANCE.UPDATED', about: 'group' },
    { type: 'CASH_TRANSACTION.EXECUTED', about: 'booking', refersTo: { account_group_id: 'group' } },
  ],
  [
    { type: 'WITHDRAWAL.NEW', about: 'payment', refersTo: userAndGroup },
    { type: 'WITHDRAWAL.PROCESSING', about: 'payment', refersTo: userAndGroup },
    { type: 'WITHDRAWAL.CONFIRMED', about: 'payment', refersTo: userAndGroup },
    { type: 'CASH_BALANCE.UPDATED', about: 'group' },
  ],
];

const storiesAtOnce = 4;

export interface Traffic {
  /** The next events, oldest first. */
  next(count: number): UndeliveredEvent[];
}

export function createTraffic(newId: () => string, random: () => number): Traffic {
  const running: {
    readonly ids: Map<Thing, string>;
    readonly told: Map<Thing, UndeliveredEvent[]>;
    readonly steps: Step[];
  }[] = [];
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];

  function nextEvent(): UndeliveredEvent {
    while (running.length < storiesAtOnce)
      running.push({ ids: new Map(), told: new Map(), steps: [...(pick(stories) ?? [])] });
    const story = pick(running);
    const step = story?.steps.shift();
    if (story === undefined || step === undefined) throw new TypeError('random must be at least 0 and below 1');
    if (story.steps.length === 0) running.splice(running.indexOf(story), 1);
    const idOf = (thing: Thing): string => {
      const known = story.ids.get(thing) ?? newId();
      story.ids.set(thing, known);
      return known;
    };
    const references = Object.entries(step.refersTo ?? {}).map(([field, thing]) => [field, idOf(thing)]);
    const set = Object.fromEntries(references);
    const after = story.told.get(step.about) ?? [];
    const event = example(step.type, { objectId: idOf(step.about), after, set });
    story.told.set(step.about, [...after, event]);
    return event;
  }

  return { next: (count) => Array.from({ length: count }, nextEvent) };
}

// The catalogue against the wire contract, which lies beside the repository and is not part of it.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { catalogueExample, categories, eventTypes, subscribableCategories } from './index.ts';
import { deliverySchema, eventSchema, objectSchema } from './schemas.ts';
import { validateEvent } from './validate.ts';

const contractFile = new URL('../../../../shared/contract/events.json', import.meta.url);
const present = existsSync(contractFile);

interface Contract {
  readonly event_schema: unknown;
  readonly delivery_schema: unknown;
  readonly subscription_type_enum_1_9_0: readonly string[];
  readonly categories: readonly {
    readonly name: string;
    readonly title: string;
    readonly source_version: string;
    readonly category_confirmed: boolean;
    readonly types: readonly string[];
    readonly type_source_versions: Readonly<Record<string, string>>;
    readonly object_schema: object;
    readonly example: object;
  }[];
}

describe.skipIf(!present)('the catalogue and the contract (skipped where the contract folder is absent)', () => {
  const contract: Contract = present
    ? JSON.parse(readFileSync(contractFile, 'utf8'))
    : { event_schema: 0, delivery_schema: 0, subscription_type_enum_1_9_0: [], categories: [] };
  const require = createRequire(import.meta.url);

  it('list the same 36 categories and 116 types in the same order', () => {
    expect(categories.map((category) => category.name)).toEqual(contract.categories.map((category) => category.name));
    expect(eventTypes).toEqual(contract.categories.flatMap((category) => category.types));
    expect([categories.length, eventTypes.length]).toEqual([36, 116]);
  });

  it('agree on titles, versions and what is confirmed', () => {
    const shown = categories.map(({ title, sourceVersion, confirmed }) => ({ title, sourceVersion, confirmed }));
    expect(shown).toEqual(
      contract.categories.map((category) => ({
        title: category.title,
        sourceVersion: category.source_version,
        confirmed: category.category_confirmed,
      })),
    );
    for (const category of contract.categories) {
      const { types } = require(`../catalogue/${category.name}.json`);
      for (const type of category.types) {
        expect(types[type].sourceVersion, type).toBe(category.type_source_versions[type]);
      }
    }
  });

  it('have equal schemas and examples', () => {
    for (const category of contract.categories) {
      expect(objectSchema(category.name), category.name).toEqual(category.object_schema);
      expect(catalogueExample(category.name), category.name).toEqual(category.example);
    }
    expect(eventSchema).toEqual(contract.event_schema);
    expect(deliverySchema).toEqual(contract.delivery_schema);
  });

  it('allow the same names in a webhook, and the newer categories', () => {
    expect(subscribableCategories.slice(0, contract.subscription_type_enum_1_9_0.length)).toEqual(
      contract.subscription_type_enum_1_9_0,
    );
    const expected = new Set([
      ...contract.subscription_type_enum_1_9_0,
      ...contract.categories.map(({ name }) => name),
    ]);
    expect(new Set(subscribableCategories)).toEqual(expected);
    expect(subscribableCategories.length).toBe(expected.size);
  });
});

it('every first-party example is valid as delivered', () => {
  expect(categories.map(({ name }) => [name, validateEvent(catalogueExample(name))])).toEqual(
    categories.map(({ name }) => [name, { ok: true }]),
  );
});

it('the generated code is up to date with the catalogue', () => {
  const script = fileURLToPath(new URL('../scripts/generate.js', import.meta.url));
  expect(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' })).not.toThrow();
});

// JSON Schema to TypeScript type aliases, for the keywords that the catalogue uses (any other keyword stops the run).
// Aliases, not interfaces: an alias of an object type is assignable to Record<string, unknown>, so that a typed event
// can be passed to code that takes any event, and an editor shows the whole shape on hover.
// Enums become open unions, unknown fields are not forbidden: the API adds both in minor versions.

const KNOWN = new Set(
  'type properties required additionalProperties items oneOf anyOf enum format pattern minLength maxLength minItems minimum'.split(
    ' ',
  ),
);

const NOTES = {
  uuid: 'UUID',
  'date-time': 'RFC 3339 instant',
  date: 'Date, YYYY-MM-DD',
  uri: 'URL',
  email: 'E-mail address',
};

/** 'SECURITY_POSITION' and 'security_position' both become 'SecurityPosition'. */
export function pascal(name) {
  return name
    .toLowerCase()
    .split('_')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('');
}

function singular(name) {
  return /(?:ss|us)$/.test(name) ? name : name.replace(/ies$/, 'y').replace(/(?:(?<=x)e)?s$/, '');
}

function note(schema) {
  if (schema.format !== undefined) return NOTES[schema.format];
  const pattern = schema.pattern ?? '';
  if (pattern.includes('[0-9]{4}-[0-9]{2}-[0-9]{2}')) return NOTES.date;
  if (pattern === '^[A-Z]{2}$') return 'Country, ISO 3166 alpha-2';
  if (pattern === '^[A-Z]{2}[A-Z0-9]{9}[0-9]$') return 'ISIN';
  if (/\[0-9\]\{[01],/.test(pattern)) return 'Decimal number as text';
  return undefined;
}

/** Short enough to be read in place, as in `instrument: { uuid: string; isin?: string }`. */
function isSmall(schema) {
  const fields = Object.values(schema.properties ?? {});
  return fields.length > 0 && fields.length <= 3;
}

/** Every value of `small` is a value of `large`: same fields where both name them, same required fields, more optional ones. */
function isSubsumed(small, large) {
  if (small.type !== 'object' || large.type !== 'object' || small === large) return false;
  const key = (value) => JSON.stringify(value);
  return (
    key([...(small.required ?? [])].sort()) === key([...(large.required ?? [])].sort()) &&
    Object.entries(small.properties ?? {}).every(([name, value]) => key(value) === key(large.properties?.[name]))
  );
}

/** Collects named aliases; `print()` gives the module text. */
export class TypeWriter {
  #byShape = new Map();
  #taken = new Map();
  #aliases = [];
  #fieldNames;

  /** `fieldNames`: the alias of a nested object, by field, where the field's own name would be too narrow. */
  constructor(fieldNames = {}) {
    this.#fieldNames = fieldNames;
  }

  /** Names the schema of a category, or the variants of its union and the union itself. */
  addObject(name, schema, variantNames = []) {
    const variants = this.#variants(schema);
    if (variants.length === 1) return this.#object(variants[0], name);
    if (variants.length !== variantNames.length) throw new Error(`${name}: ${variants.length} variants need names`);
    const names = variants.map((variant, index) => this.#object(variant, variantNames[index]));
    if (!names.includes(name)) this.#aliases.push(`export type ${name} = ${names.join(' | ')};\n`);
    return name;
  }

  /** A category without a published schema: the fields seen so far, all optional, open for the others. */
  addSample(name, sample) {
    const lines = Object.entries(sample).map(([field, value]) => `  readonly ${field}?: ${this.#sampleType(value)};\n`);
    this.#aliases.push(
      `/** No schema is published: fields seen so far. */\nexport type ${name} = {\n${lines.join('')}  readonly [field: string]: unknown;\n};\n`,
    );
    return name;
  }

  print() {
    return this.#aliases.join('\n');
  }

  #sampleType(value) {
    if (value === null) return 'string | null';
    if (Array.isArray(value)) return `readonly ${this.#sampleType(value[0])}[]`;
    return typeof value;
  }

  #variants(schema) {
    const nested = schema.oneOf ?? schema.anyOf;
    if (nested === undefined) return [schema];
    const flat = nested.flatMap((variant) => this.#variants(variant));
    return flat.filter((variant) => !flat.some((other) => isSubsumed(variant, other)));
  }

  #type(schema, parent, field) {
    for (const keyword of Object.keys(schema)) {
      if (!KNOWN.has(keyword)) throw new Error(`${parent}.${field}: keyword ${keyword} is not supported`);
    }
    const variants = this.#variants(schema);
    if (variants.length > 1 || variants[0] !== schema) {
      return [...new Set(variants.map((variant) => this.#type(variant, parent, field)))].join(' | ');
    }
    if (Array.isArray(schema.type)) {
      return schema.type.map((type) => this.#type({ ...schema, type }, parent, field)).join(' | ');
    }
    switch (schema.type) {
      case 'string':
        return schema.enum === undefined ? 'string' : `Open<${schema.enum.map((value) => `'${value}'`).join(' | ')}>`;
      case 'integer':
      case 'number':
        return 'number';
      case 'boolean':
      case 'null':
        return schema.type;
      case 'array': {
        const item = this.#type(schema.items, parent, singular(field));
        return item.includes('|') ? `ReadonlyArray<${item}>` : `readonly ${item}[]`;
      }
      case 'object':
        return isSmall(schema)
          ? this.#inline(schema, parent)
          : this.#object(schema, this.#fieldNames[field] ?? pascal(field), parent);
      default:
        throw new Error(`${parent}.${field}: type ${schema.type} is not supported`);
    }
  }

  #inline(schema, parent) {
    const required = new Set(schema.required ?? []);
    const fields = Object.entries(schema.properties ?? {}).map(
      ([field, value]) => `readonly ${field}${required.has(field) ? '' : '?'}: ${this.#type(value, parent, field)}`,
    );
    if (schema.additionalProperties === true) fields.push('readonly [field: string]: unknown');
    return `{ ${fields.join('; ')} }`;
  }

  /** The same shape gets one alias; the same name for another shape gets its parent's name in front. */
  #object(schema, wanted, parent) {
    const shape = JSON.stringify({ ...schema, additionalProperties: schema.additionalProperties === true });
    const known = this.#byShape.get(shape);
    if (known !== undefined && (parent !== undefined || known === wanted)) return known;
    const name = this.#taken.has(wanted) && parent !== undefined ? parent.replace(/Object$/, '') + wanted : wanted;
    if (this.#taken.has(name)) throw new Error(`two shapes want the name ${name}`);
    this.#taken.set(name, shape);
    if (known === undefined) this.#byShape.set(shape, name);
    const required = new Set(schema.required ?? []);
    const lines = Object.entries(schema.properties ?? {}).map(([field, value]) => {
      const text = note(value);
      const doc = text === undefined ? '' : `  /** ${text} */\n`;
      return `${doc}  readonly ${field}${required.has(field) ? '' : '?'}: ${this.#type(value, name, field)};\n`;
    });
    const open = schema.additionalProperties === true ? '  readonly [field: string]: unknown;\n' : '';
    this.#aliases.push(`export type ${name} = {\n${lines.join('')}${open}};\n`);
    return name;
  }
}

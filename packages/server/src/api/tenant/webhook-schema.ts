// The webhook resource on the wire (contract api.md "Webhook resource"): what create and update take, what answers show,
// and the way between rows and answers. Unknown fields are refused everywhere; `config` takes only its two fields.

import { subscribableCategories } from '@bellhop/events';
import { z } from 'zod';
import type { WebhookRow } from '../../store/webhooks.ts';
import type { UrlPolicy } from '../dependencies.ts';
import { codePoints, isStorableText, listOf } from '../input.ts';

/** Not published by Upvest; the contract's assumption. */
export const defaultDelay = '1s';
export const defaultMaxPackageSize = 10_240;

const category = z.enum(subscribableCategories, { error: 'is not a known category' });

function text(maxLength: number) {
  return z
    .string()
    .refine((value) => codePoints(value) <= maxLength, `must have at most ${maxLength} characters`)
    .refine(isStorableText, 'must not contain NUL or lone surrogates')
    .meta({ maxLength });
}

/** More than there are, so that duplicates do no harm. */
const maxCategories = 100;

/** `ALL` beside categories means `ALL`; duplicates go. */
const typeSchema = listOf(category, maxCategories)
  .refine((list) => list.length > 0, 'must name at least one category')
  .meta({ minItems: 1 })
  .transform((list) => (list.includes('ALL') ? ['ALL' as const] : [...new Set(list)]));

const excludeTypeSchema = listOf(category.exclude(['ALL']), maxCategories).transform((list) => [...new Set(list)]);

const configSchema = z.strictObject({
  delay: z
    .string()
    .regex(/^([1-9]|[12][0-9]|30)s$/, 'must be 1s to 30s')
    .optional(),
  max_package_size: z
    .int('must be an integer')
    .min(100, 'must be 100 to 1048576')
    .max(1_048_576, 'must be 100 to 1048576')
    .optional(),
});

export function webhookInput(targets: UrlPolicy) {
  const url = text(1000)
    .superRefine((value, context) => {
      const verdict = targets.checkUrl(value);
      if (!verdict.ok) context.addIssue({ code: 'custom', message: verdict.detail });
    })
    .meta({ format: 'uri', maxLength: 1000, description: 'https, a DNS name, no user info, no fragment' });
  return {
    create: z.strictObject({
      title: text(100),
      url,
      type: typeSchema.optional().meta({ description: 'Default: ["ALL"]' }),
      exclude_type: excludeTypeSchema.optional().meta({ description: 'Works with ["ALL"] only' }),
      config: configSchema.optional(),
    }),
    update: z.strictObject({
      title: text(100).optional(),
      url: url.optional(),
      enabled: z.boolean().optional(),
      type: typeSchema.optional(),
      exclude_type: excludeTypeSchema.optional().meta({ description: 'An empty list takes the exclusion away' }),
      config: configSchema.optional(),
    }),
  };
}

export const webhookSchema = z.strictObject({
  id: z.uuid(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
  title: z.string().max(100),
  url: z.string().max(1000).meta({ format: 'uri' }),
  enabled: z.boolean(),
  type: z.array(category),
  exclude_type: z.array(category).optional(),
  config: z.strictObject({ delay: z.string(), max_package_size: z.int() }),
});

export function showWebhook(row: WebhookRow) {
  return {
    id: row.id,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    title: row.title,
    url: row.url,
    enabled: row.enabled,
    type: row.type,
    ...(row.exclude_type === null ? {} : { exclude_type: row.exclude_type }),
    config: { delay: row.delay, max_package_size: row.max_package_size },
  };
}

const sortFields = ['created_at', 'updated_at', 'title', 'url', 'enabled'] as const;

function wholeNumber(bounds: { readonly max: number; readonly byDefault: number; readonly message: string }) {
  return z
    .string()
    .refine((value) => value === '' || (/^\d{1,16}$/.test(value) && Number(value) <= bounds.max), bounds.message)
    .meta({ type: 'integer', minimum: 0, maximum: bounds.max, default: bounds.byDefault })
    .optional()
    .transform((value) => (value === undefined || value === '' ? bounds.byDefault : Number(value)));
}

/** Unknown parameters have no effect: a proxy or a newer client may add some. */
export const listQuery = z.object({
  sort: z.enum(sortFields).default('created_at'),
  order: z.enum(['ASC', 'DESC']).default('ASC'),
  offset: wholeNumber({ max: Number.MAX_SAFE_INTEGER, byDefault: 0, message: 'must be an integer, 0 or more' }),
  limit: wholeNumber({ max: 1000, byDefault: 100, message: 'must be an integer from 0 to 1000' }),
});

export const webhookListSchema = z.strictObject({
  meta: z.strictObject({
    offset: z.int(),
    limit: z.int(),
    count: z.int(),
    total_count: z.int(),
    sort: z.enum(sortFields).optional(),
    order: z.enum(['ASC', 'DESC']).optional(),
  }),
  data: z.array(webhookSchema),
});

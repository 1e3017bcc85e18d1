// Numbers, sizes and times as people read them.

import { signal } from '@preact/signals';

export const isUtc = signal(localStorage.getItem('bellhop.utc') === 'true');

export function switchUtc(): void {
  isUtc.value = !isUtc.value;
  localStorage.setItem('bellhop.utc', String(isUtc.value));
}

const counts = new Intl.NumberFormat('en');

export function count(value: number): string {
  return counts.format(value);
}

export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function rate(value: number): string {
  if (value === 0) return '0';
  return value < 10 ? value.toFixed(1) : count(Math.round(value));
}

export function bytes(value: number): string {
  if (value < 1024) return `${value} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let size = value / 1024;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** `3 h 12 min`, `55 s`: two units at most. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 || minutes >= 10 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 ? `${days} d` : `${days} d ${hours % 24} h`;
}

export function millis(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function absolute(at: Date): string {
  return (
    new Intl.DateTimeFormat('en-GB', {
      dateStyle: 'medium',
      timeStyle: 'medium',
      ...(isUtc.value ? { timeZone: 'UTC' } : {}),
    }).format(at) + (isUtc.value ? ' UTC' : '')
  );
}

export function clock(at: Date): string {
  return new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium', ...(isUtc.value ? { timeZone: 'UTC' } : {}) }).format(
    at,
  );
}

export function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}

export function shortId(id: string): string {
  return id.slice(0, 8);
}

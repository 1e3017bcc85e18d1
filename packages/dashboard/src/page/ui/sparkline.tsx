// The last 24 hours of a webhook, a bar an hour: up where attempts succeeded, down where they failed, both where some did.

const barPx = 4;
const heightPx = 20;
const middlePx = heightPx / 2;

export function Sparkline({ hours }: { readonly hours: string | undefined }) {
  if (hours === undefined) return <span class="muted">–</span>;
  const failed = [...hours].filter((hour) => hour === 'f' || hour === 's').length;
  const busy = [...hours].filter((hour) => hour !== '-').length;
  const says = failed === 0 ? 'no failure' : `failures in ${failed}`;
  return (
    <svg
      class="spark"
      width={hours.length * barPx}
      height={heightPx}
      role="img"
      aria-label={`Attempts in ${busy} of the last ${hours.length} hours, ${says}`}
    >
      <line x1={0} x2={hours.length * barPx} y1={middlePx} y2={middlePx} class="mark" />
      {[...hours].map((hour, index) => {
        const x = index * barPx;
        return (
          <g key={x}>
            {hour === 'o' || hour === 's' ? (
              <rect x={x} y={1} width={barPx - 1} height={middlePx - 1} class="dot-ok" />
            ) : null}
            {hour === 'f' || hour === 's' ? (
              <rect x={x} y={middlePx} width={barPx - 1} height={middlePx - 1} class="dot-failed" />
            ) : null}
          </g>
        );
      })}
    </svg>
  );
}

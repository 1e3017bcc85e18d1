// One choice of a few, always one of them pressed.

export function Chips({
  label,
  choices,
  chosen,
  choose,
}: {
  readonly label: string;
  readonly choices: readonly (readonly [value: string, name: string])[];
  readonly chosen: string;
  readonly choose: (value: string) => void;
}) {
  return (
    <fieldset class="chips">
      <legend class="hidden">{label}</legend>
      {choices.map(([value, name]) => (
        <button key={value} type="button" class="chip" aria-pressed={chosen === value} onClick={() => choose(value)}>
          {name}
        </button>
      ))}
    </fieldset>
  );
}

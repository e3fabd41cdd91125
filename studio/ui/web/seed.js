// The seed {seed, keep}. One that was typed or rolled is meant to be used, so it is kept until the visitor lets it go.
const number = find('input[type=number]'), keep = find('input[type=checkbox]');
function draw() {
  const { seed, keep: isKept } = props.value || {};
  const text = seed === null || seed === undefined ? '' : String(seed);
  if (number.value !== text) number.value = text;
  keep.checked = Boolean(isKept);
}
number.addEventListener('input', () => {
  const seed = number.value === '' ? null : Number(number.value);
  pick({ seed, keep: seed !== null });
});
keep.addEventListener('change', () => pick({ ...props.value, keep: keep.checked }));
find('.fb-dice').addEventListener('click', () => {
  pick({ seed: Math.floor(Math.random() * (given.largest + 1)), keep: true });
});
function pick(value) {
  props.value = value;
  draw();
  trigger('picked', value);
}
watch('value', draw);
draw();

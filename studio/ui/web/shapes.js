// The shapes of a clip as drawn choices: real radio buttons, so the keyboard works as everywhere.
// What the chosen model lacks of the usual ones is greyed; what only some models have is there with them.
const row = find('.fb-shape-row'), note = find('.fb-shape-note');
const offered = () => (shared().model || given).sizes;

function choice(ratio, [width, height], isOffered) {
  const label = make('label', 'fb-shape'), input = make('input'), box = make('span', 'fb-shape-box');
  const name = given.names[ratio] || '';
  Object.assign(input, { type: 'radio', name: given.group, value: ratio, disabled: !isOffered });
  Object.assign(input, { checked: ratio === props.value });
  input.setAttribute('aria-label', `${name} ${ratio}`.trim());
  const sheet = make('span', 'fb-shape-sheet');
  sheet.style.aspectRatio = `${width} / ${height}`;
  sheet.style[width > height ? 'width' : 'height'] = '34px';
  box.append(sheet);
  label.append(input, box, make('span', 'fb-shape-name', name), make('span', 'fb-shape-ratio', ratio));
  if (!isOffered) label.title = lacks();
  return label;
}

const lacks = () => words.lacks.replace('{model}', shared().model.title);

function build() {
  const sizes = { ...given.sizes, ...offered() };
  row.replaceChildren(...Object.keys(sizes).map((ratio) => choice(ratio, sizes[ratio], ratio in offered())));
  note.textContent = Object.keys(given.sizes).every((ratio) => ratio in offered()) ? '' : lacks();
  draw();
}

function draw() {
  for (const input of row.querySelectorAll('input')) input.checked = input.value === props.value;
  share({ ratio: props.value });
}

function pick(ratio) {
  props.value = ratio;
  draw();
  trigger('picked', { ratio });
}

let isChosen = false; // whether the visitor chose a shape himself
element.addEventListener('change', (event) => {
  isChosen = true;
  pick(event.target.value);
});
// Until then, the clip is given the shape that is nearest to its picture's.
hear('picture', ({ form, shape }) => {
  if (form !== given.form || isChosen) return;
  const distance = ([, [width, height]]) => Math.abs(Math.log(width / height / shape));
  pick(Object.entries(offered()).sort((one, other) => distance(one) - distance(other))[0][0]);
});
let built = null; // the sizes that the choices stand for
hearForm(() => {
  if (built === offered()) return;
  built = offered();
  build();
});
watch('value', draw);
build();

// The shapes of a clip as drawn choices: real radio buttons, so the keyboard works as everywhere.
const choices = given.shapes.map(({ ratio, name, width, height }) => {
  const label = make('label', 'fb-shape'), input = make('input'), box = make('span', 'fb-shape-box');
  Object.assign(input, { type: 'radio', name: given.group, value: ratio });
  input.setAttribute('aria-label', `${name} ${ratio}`);
  const sheet = make('span', 'fb-shape-sheet');
  sheet.style.aspectRatio = `${width} / ${height}`;
  sheet.style[width > height ? 'width' : 'height'] = '34px';
  box.append(sheet);
  label.append(input, box, make('span', 'fb-shape-name', name), make('span', 'fb-shape-ratio', ratio));
  find('.fb-shape-row').append(label);
  return input;
});

function draw() {
  for (const choice of choices) choice.checked = choice.value === props.value;
}

element.addEventListener('change', (event) => {
  props.value = event.target.value;
  trigger('picked', { ratio: props.value });
});
watch('value', draw);
draw();

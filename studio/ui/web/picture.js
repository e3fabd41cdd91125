// Takes a picture by choosing, dropping or pasting, and draws on it what the chosen shape will keep.
// The value is {name, width, height, src, fit}; the server reads and keeps the picture, and says its name. Meanwhile
// `reading` is true, so that no clip starts from the one before.
// The one that a clip ends with is fitted as the first, and shown where the model can end with one.
const drop = find('.fb-drop'), file = find('input[type=file]'), view = find('.fb-picture-view');
const frame = find('.fb-picture-frame'), image = find('img'), crop = find('.fb-crop'), note = find('.fb-picture-note');
const value = () => props.value || {};

// Gradio tells only of changes that come from the server, so our own are drawn here.
function change(more) {
  props.value = { ...value(), ...more };
  draw();
}

// A phone that was short of memory loads the page anew; the studio has the picture for a day.
const KEPT = `flipbook-picture-${given.form}-${given.isLast ? 'last' : 'first'}`;
function keep({ name, src, width, height, fit }) {
  try {
    if (name) sessionStorage.setItem(KEPT, JSON.stringify({ name, src, width, height, fit }));
    else sessionStorage.removeItem(KEPT);
  } catch {
    // This browser keeps nothing.
  }
}
function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT)) || {};
  } catch {
    return {};
  }
}

function draw() {
  const { name, src, width, height } = value();
  keep(value());
  if (!given.isLast) share({ fit: value().fit || 'crop' });
  const { ratio, fit = 'crop', model = given } = shared();
  view.hidden = !name;
  drop.hidden = Boolean(name);
  if (given.isLast) drawAbility(model, Boolean(name));
  for (const choice of element.querySelectorAll('.fb-fit input')) choice.checked = choice.value === fit;
  if (!name) return void image.removeAttribute('src');
  if (image.getAttribute('src') !== src) image.src = src;
  const [frameWidth, frameHeight] = model.sizes[ratio] || [width, height];
  find('.fb-facts').textContent = `${width} × ${height} → ${frameWidth} × ${frameHeight}`;
  if (fit === 'pad') drawPad(width / height, frameWidth / frameHeight);
  else drawCrop(width / height, frameWidth / frameHeight);
}

// A picture that was given to another model stays to be seen, with the way to be rid of it.
function drawAbility(model, hasPicture) {
  find('.fb-picture').hidden = !model.canEnd && !hasPicture;
  say(model.canEnd || !hasPicture ? '' : words.cannotEnd.replace('{model}', model.title));
}

// The picture fills the frame; the box shows what is kept, the rest is greyed by its wide shadow.
function drawCrop(shape, wanted) {
  image.alt = words.alt;
  frame.style.setProperty('--shape', shape);
  image.style.inset = '0';
  image.style.width = image.style.height = '100%';
  const wide = Math.min(1, wanted / shape), high = Math.min(1, shape / wanted);
  Object.assign(crop.style, {
    width: `${wide * 100}%`, height: `${high * 100}%`, left: `${(1 - wide) * 50}%`, top: `${(1 - high) * 50}%`,
  });
  crop.hidden = false;
}

// The frame is the clip; the picture stands whole in its middle.
function drawPad(shape, wanted) {
  image.alt = words.altPad;
  frame.style.setProperty('--shape', wanted);
  const wide = Math.min(1, shape / wanted), high = Math.min(1, wanted / shape);
  Object.assign(image.style, {
    width: `${wide * 100}%`, height: `${high * 100}%`, inset: `${(1 - high) * 50}% ${(1 - wide) * 50}%`,
  });
  crop.hidden = true;
}

const SMALL_BYTES = 1e6; // are sent as they are
let taken = 0; // the number of the picture that was chosen last

async function take(chosen) {
  if (!chosen) return;
  const me = ++taken;
  change({ reading: true });
  say(words.reading);
  const { error = '', ...picture } = await read(await slim(chosen));
  if (me !== taken) return;
  const isHere = element.contains(document.activeElement);
  change({ ...picture, reading: false });
  say(error);
  if (error) return;
  if (!given.isLast) tell('picture', { form: given.form, shape: picture.width / picture.height });
  if (isHere) find('.fb-replace').focus();
}

// The studio keeps no longer side than this, so a phone need not send more of a photograph.
async function slim(chosen) {
  try {
    if (chosen.size < SMALL_BYTES) return chosen;
    const whole = await createImageBitmap(chosen), scale = given.side / Math.max(whole.width, whole.height);
    if (scale >= 1) return chosen;
    const paper = make('canvas'), pen = paper.getContext('2d');
    const [width, height] = [whole.width, whole.height].map((side) => Math.max(1, Math.round(side * scale)));
    Object.assign(paper, { width, height });
    pen.imageSmoothingQuality = 'high';
    pen.drawImage(whole, 0, 0, width, height);
    const type = chosen.type === 'image/jpeg' ? chosen.type : 'image/png';
    const less = await new Promise((done) => paper.toBlob(done, type, 0.95));
    return less && less.size < chosen.size ? new File([less], chosen.name, { type }) : chosen;
  } catch {
    return chosen; // what this browser can't read, the studio may; or it says why not
  }
}

async function read(chosen) {
  const megabytes = chosen.size / 1e6;
  if (megabytes > given.limit) {
    return { error: words.large.replace('{limit}', given.limit).replace('{size}', Math.ceil(megabytes)) };
  }
  try {
    const { path } = await upload(chosen);
    return (await ask('take_picture', { path })) || { error: words.failed };
  } catch {
    return { error: words.failed };
  }
}

// What is still being read is not wanted any more.
function forget() {
  taken += 1;
  say('');
}

if (given.isLast) {
  find('.fb-picture').classList.add('fb-last');
  find('.fb-fit').remove();
}

function say(sentence) {
  note.textContent = sentence;
}

file.addEventListener('change', () => {
  take(file.files[0]);
  file.value = '';
});
find('.fb-replace').addEventListener('click', () => file.click());
find('.fb-remove').addEventListener('click', () => {
  forget();
  change({ name: null, src: null, reading: false });
  file.focus();
});
element.addEventListener('change', (event) => event.target.type === 'radio' && change({ fit: event.target.value }));
for (const kind of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  element.addEventListener(kind, (event) => {
    event.preventDefault();
    element.classList.toggle('fb-over', kind === 'dragenter' || kind === 'dragover');
    if (kind === 'drop') take(event.dataTransfer.files[0]);
  });
}
document.addEventListener('paste', (event) => {
  if (event.clipboardData.types.includes('text/plain')) return; // words that have a picture of themselves with them
  const pasted = [...event.clipboardData.files].find((item) => item.type.startsWith('image/'));
  const focused = document.activeElement.closest('.fb-picture');
  const isMeant = focused ? element.contains(focused) : !given.isLast;
  if (pasted && isMeant && element.offsetParent) take(pasted);
});
watch('value', () => {
  if (!value().reading) forget();
  draw();
});
hearForm(draw);
if (!value().name) props.value = { ...value(), ...kept() };
draw();

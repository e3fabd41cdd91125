// What the chosen model is, needs and lacks; the form's other parts follow it. Where its files are all that it lacks
// and may be fetched, how that stands: known to the server alone, which is asked while something happens.
const box = find('.fb-fetch'), says = find('.fb-fetch-says'), count = find('.fb-fetch-count');
const bar = find('.fb-progress'), look = find('.fb-fetch-look'), go = find('.fb-fetch-go'), stop = find('.fb-fetch-stop');
const chosen = () => (props.value && props.value.name) || '';
let run = 0; // the number of the loop that may draw

function draw() {
  const model = props.value;
  if (!model || !model.sentence) return;
  find('.fb-model').textContent = model.sentence;
  share({ model });
  box.hidden = !model.canFetch;
  if (model.canFetch) follow('download_state');
  else run += 1;
}

async function follow(question) {
  const me = ++run, model = chosen();
  while (me === run && element.isConnected) {
    const reply = await ask(question, { model });
    if (me !== run) return;
    question = 'download_state';
    if (reply && reply.state) show(reply);
    else say((reply && reply.error) || words.offline);
    if (reply && reply.state === 'done') return trigger('fetched', { model });
    if (reply && !reply.busy) return;
    await sleep(reply ? 1000 : 4000);
  }
}

function show({ state, sentence, counted, fraction, go: label }) {
  say(sentence);
  count.textContent = counted;
  bar.hidden = state !== 'fetching';
  if (!bar.hidden) bar.value = fraction;
  look.hidden = Boolean(label) || !['none', 'failed'].includes(state);
  go.hidden = !label;
  go.textContent = label;
  stop.hidden = state !== 'fetching' && state !== 'asking';
}

// Only a change is written: a screen reader speaks it, and what the browser has translated stays.
let said = '';
function say(sentence) {
  if (said !== sentence) says.textContent = said = sentence;
}

look.addEventListener('click', () => follow('look_up_model'));
go.addEventListener('click', () => follow('fetch_model'));
stop.addEventListener('click', () => follow('stop_fetching'));
watch('value', draw);
draw();

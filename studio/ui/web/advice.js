// What the model does not know in the prompt, said before the clip is made.
// Only a change is written: a screen reader speaks it, and what the browser has translated stays.
let said = '';
watchForm('words', 250, 'advise', ({ sentence }) => {
  if (said !== sentence) find('.fb-advice').textContent = said = sentence;
});

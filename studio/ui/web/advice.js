// What the model does not know in the prompt, said before the clip is made.
watchForm('words', 250, 'advise', ({ sentence }) => (find('.fb-advice').textContent = sentence));

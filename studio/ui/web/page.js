() => {
  // Ctrl + Enter or Cmd + Enter in a prompt presses that tab's own button. Shift + Enter is Gradio's own.
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    const form = event.target.closest && event.target.closest('.fb-make');
    if (!form) return;
    event.preventDefault();
    form.querySelector('button.fb-make-button, .fb-make-button button').click();
  });
}

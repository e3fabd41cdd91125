// Who this is, as an input of the page's events.
const say = () => (props.value = visitor());
watch('value', say);
addEventListener('storage', say);
// While a part is being put in its place, Gradio does not take its value over.
setTimeout(say);

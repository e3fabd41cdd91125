// What the model does not know in the prompt, said before the clip is made.
const draw = () => (find('.fb-advice').textContent = (props.value && props.value.sentence) || '');
watch('value', draw);
draw();

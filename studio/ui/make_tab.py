"""One builder for both making tabs: the form, its small conveniences, and its button. A picture is an optional part.

Knows the form's widgets by name; what is made of their values is present.py's, what follows is interface.py's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.domain import MAX_LORA_WEIGHT, MAX_SEED, MIN_LORA_WEIGHT, Job, ModelCard, StudioError, VideoRequest
from studio.service import Studio, Visit
from studio.ui import present, wording
from studio.ui.guard import a_drawn_id, for_part, on_form, on_page
from studio.ui.model_note import model_note
from studio.ui.parts import part
from studio.ui.picture_drop import picture_drop

Fields = dict[str, Any]
# The stage draws the job's id and knows it before the studio does: an answer that is lost loses nothing.
DRAW = "(visitor, _stage, ...values) => [visitor, window.flipbookPress?.() ?? {}, ...values]"
QUIET: Fields = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class TabPlan:
    """What a tab is built from; `card` is the model that is chosen at first."""

    studio: Studio
    card: ModelCard
    needs_picture: bool

    @property
    def key(self) -> str:
        return "image" if self.needs_picture else "text"


@dataclass(frozen=True)
class MakeTab:
    """A built tab: its widgets by the names that present.py uses, and how to make a clip from them."""

    plan: TabPlan
    fields: Fields
    button: gr.Button

    def follow_with(self, stage: gr.HTML, visitor: gr.HTML) -> None:
        """Wire the button and the keyboard: make a job, let the stage follow it, show the seed it got."""
        names = list(self.fields)

        @on_form(self.plan.studio)
        def submit(visit: Visit, pressed: Any, *values: Any) -> tuple[Fields, Fields]:
            form = dict(zip(names, values, strict=True))
            request = present.request_from_form(form, self.plan.needs_picture)
            job: Job = visit.submit(request, a_drawn_id(pressed))
            return {"job": job.id}, {"seed": job.request.seed, "keep": present.keeps_seed(form["seed"])}

        gr.on(
            [self.button.click, self.fields["prompt"].submit],
            submit,
            [visitor, stage, *self.fields.values()],
            [stage, self.fields["seed"]],
            js=DRAW,
            concurrency_limit=None,
            # Started again, the studio knows the bounds of its first model only; the request's own check has them all.
            preprocess=False,
            **QUIET,
        )

    def updates(self, values: present.View, model: Any = None) -> list[Any]:
        """One update for each of the tab's widgets, in order; those without a value stay as they are.

        `model` is the one that the tab stays with, where `values` name none; a shape that it lacks is left out.
        """
        card = _named(self.plan, values.get("model", model))
        bounds = _bounds(card, self.fields) if card else {}
        if "model" in values:
            values = dict.fromkeys(_loras(self.fields), 0.0) | values
        if card is None or values.get("aspect_ratio") not in card.grid.sizes:
            values = {name: value for name, value in values.items() if name != "aspect_ratio"}
        changed = {
            name: gr.update(value=value, **bounds[name]) if name in bounds else value for name, value in values.items()
        }
        return [changed.get(name, gr.skip()) for name in self.fields]


def make_tab(plan: TabPlan) -> MakeTab:
    """Build the form inside the current gr.Tab."""
    with gr.Column(elem_classes=["fb-make", f"fb-make-{plan.key}"]):
        fields: Fields = {}
        if plan.needs_picture:
            for name, is_last in (("picture", False), ("last_picture", True)):
                fields[name] = picture_drop(plan.studio, plan.key, plan.card.grid.sizes, is_last)
        fields["prompt"] = _prompt(plan)
        fields["aspect_ratio"] = _shapes(plan)
        fields |= _sliders(plan.card)
        fields["seed"] = part("seed", {"seed": None, "keep": False}, words=wording.SEED, largest=MAX_SEED)
        fields |= _more(plan)
        told = [fields["prompt"], fields["model"]]
        fields["prompt"].change(None, told, None, js=_telling("words", plan, ("words", "model")), **QUIET)
        note = model_note(plan.studio, plan.key)
        with gr.Row(elem_classes="fb-make-row"):
            button = gr.Button(wording.MAKE, variant="primary", size="lg", elem_classes="fb-make-button")
            _estimate(plan, fields)
        _follow_model(plan, fields, note, button)
    return MakeTab(plan, fields, button)


def _prompt(plan: TabPlan) -> gr.Textbox:
    """The box for the words, and the part below it that says which of them the model does not know."""
    prompt = gr.Textbox(
        label=wording.PICTURE_PROMPT if plan.needs_picture else wording.PROMPT,
        placeholder=wording.PICTURE_PROMPT_HINT if plan.needs_picture else wording.PROMPT_HINT,
        lines=3,
        max_lines=8,
        elem_id=f"fb-words-{plan.key}",
        elem_classes="fb-prompt-box",
    )
    part("advice", None, functions=(_advise(plan),), words=wording.ADVICE, form=plan.key)
    with gr.Row(elem_classes="fb-examples"):
        part("label", None, words={"text": wording.TRY_ONE})
        name = f"fb-own-{plan.key}"
        own = gr.Button(wording.YOUR_WORDS, size="sm", elem_id=name, elem_classes=["fb-chip", "fb-own"])
        own.click(None, prompt, prompt, js=f"(now) => window.flipbookTakeBack({json.dumps(name)}, now)", **QUIET)
        for example in wording.PICTURE_EXAMPLES if plan.needs_picture else wording.EXAMPLES:
            chip = gr.Button(example, size="sm", elem_classes="fb-chip")
            take = f"() => {{ window.flipbookSetAside(); return {json.dumps(example)}; }}"
            chip.click(None, None, prompt, js=take, **QUIET)
    return prompt


def _telling(what: str, plan: TabPlan, names: tuple[str, ...]) -> str:
    """JavaScript that tells the form's parts what its widgets have, so that these may ask the server about it.

    An event of Gradio's own that does not reach the server ends all others, and at last the page is loaded anew.
    """
    told = f"Object.fromEntries({json.dumps(names)}.map((name, at) => [name, values[at]]))"
    kept = f"((window.flipbookTold ||= {{}})[{json.dumps(f'{what}-{plan.key}')}] = {told})"
    return f"(...values) => {{ {kept}; document.dispatchEvent(new CustomEvent('flipbook:told-{what}-{plan.key}')); }}"


def _advise(plan: TabPlan) -> Callable[..., Any]:
    @for_part(plan.studio)
    def advise(_visit: Visit, data: Fields) -> Fields:
        prompt, model = data.get("words"), data.get("model")
        text = prompt[: plan.card.limits.max_prompt_chars] if isinstance(prompt, str) else ""
        if _named(plan, model) is None:
            return {"sentence": ""}
        return {"sentence": plan.studio.advise(str(model), text, plan.needs_picture).sentence}

    return advise


def _estimate(plan: TabPlan, fields: Fields) -> None:
    """The line under the button: what the clip will take here, as soon as that is known."""
    asked = ("aspect_ratio", "seconds", "num_inference_steps", "guidance_scale", "sound", "model")
    # Which picture it will be makes no difference, but a model may need one.
    given = {"prompt": plan.card.title, "picture": plan.key if plan.needs_picture else None}

    @for_part(plan.studio)
    def estimate(_visit: Visit, data: Fields) -> Fields:
        wish: Fields = {name: data.get(name) for name in asked}
        try:
            request = VideoRequest(**given, **wish)
            return present.estimate_view(plan.studio.estimate(request))
        except StudioError:
            return {"sentence": ""}  # a value that is refused is told of when the button is pressed

    line = part("estimate", None, functions=(estimate,), form=plan.key)
    inputs, js = [fields[name] for name in asked], _telling("wish", plan, asked)
    gr.on([fields[name].change for name in asked], None, inputs, None, js=js, **QUIET)
    # gr.on does not take a part's own events.
    for own_event in (line.stale, fields["aspect_ratio"].picked):
        own_event(None, inputs, None, js=js, **QUIET)


def _shapes(plan: TabPlan) -> gr.HTML:
    sizes = plan.card.grid.sizes
    return part(
        "shapes",
        next(iter(sizes)),
        words=wording.SHAPES,
        names=wording.SHAPE_NAMES,
        form=plan.key,
        sizes=sizes,
        group=f"fb-shape-{plan.key}",
    )


def _sliders(card: ModelCard) -> Fields:
    limits = card.limits
    with gr.Row(elem_classes="fb-pair"):
        return {
            "seconds": _slider(wording.SECONDS, limits.min_seconds, limits.max_seconds, card.default_seconds, 0.5),
            "num_inference_steps": _slider(wording.STEPS, limits.min_steps, limits.max_steps, card.default_steps, 1),
        }


def choices(studio: Studio) -> list[tuple[str, str]]:
    """What the picker offers: each model's title, with what is known of its use here, and its name."""
    return [
        (wording.choice(card.title, bool(studio.obstacle(card)), studio.can_fetch(card)), card.name)
        for card in studio.models()
    ]


def _picker(plan: TabPlan) -> gr.Dropdown:
    """Every model, those that can't run here too: what they need is said once they are chosen."""
    # Any value comes through to our own check: the one of gr.Dropdown repeats what it was sent, and may break on it.
    return gr.Dropdown(
        choices(plan.studio),
        value=plan.card.name,
        label=wording.MODEL,
        interactive=True,
        allow_custom_value=True,
    )


def _follow_model(plan: TabPlan, fields: Fields, note: gr.HTML, button: gr.Button) -> None:
    """What the chosen model is, needs and lacks; its limits and defaults; and no button where it can't be used."""
    names = ("seconds", "num_inference_steps", "guidance_scale", "negative_prompt", "sound", "step_cache")
    names = (*(name for name in names if name in fields), *_loras(fields))

    @on_page
    def tell(name: Any) -> list[Any]:
        card = _named(plan, name)
        if card is None:
            return [present.no_model_view(plan.card), gr.update(interactive=False)]
        obstacle, can_fetch = plan.studio.obstacle(card), plan.studio.can_fetch(card)
        view = present.model_view(card, obstacle, plan.needs_picture, can_fetch)
        return [view, gr.update(interactive=view["can_make"])]

    @on_page
    def follow(name: Any, ratio: Any, told: Any) -> list[Any]:
        card = _named(plan, name)
        # Gradio sends this whenever the box is left; what the note tells of is the model that was chosen before.
        before = told.get("name", plan.card.name) if isinstance(told, dict) else None
        if card is None or card.name == before:
            return [gr.skip()] * len(outputs)
        bounds, values = _bounds(card, fields), present.defaults(card)
        if not card.can_wear_loras:
            values |= {name: {"value": 0.0} for name in _loras(fields)}
        is_offered = isinstance(ratio, str) and ratio in card.grid.sizes
        shape = gr.skip() if is_offered else next(iter(card.grid.sizes))
        return [*(gr.update(**bounds.get(field, {}), **values.get(field, {})) for field in names), shape]

    @on_page
    def welcome(name: Any) -> list[Any]:
        return [*tell(name), gr.update(choices=choices(plan.studio))]

    fields["model"].change(tell, fields["model"], [note, button], queue=False, **QUIET)
    note.fetched(welcome, fields["model"], [note, button, fields["model"]], queue=False, **QUIET)
    # Only what a visitor chooses: settings that are put back into the form bring their own values.
    inputs = [fields["model"], fields["aspect_ratio"], note]
    outputs = [fields[field] for field in (*names, "aspect_ratio")]
    fields["model"].input(follow, inputs, outputs, queue=False, **QUIET)


def _more(plan: TabPlan) -> Fields:
    card = plan.card
    low, high = card.limits.min_guidance, card.limits.max_guidance
    with gr.Accordion(wording.MORE, open=False, elem_classes="fb-accordion"):
        return {
            "model": _picker(plan),
            "guidance_scale": _slider(wording.GUIDANCE, low, high, card.default_guidance, 0.5, wording.GUIDANCE_HINT),
            "negative_prompt": gr.Textbox(
                label=wording.NEGATIVE, info=wording.NEGATIVE_HINT, lines=2, interactive=True
            ),
            "sound": gr.Checkbox(card.has_sound, label=wording.SOUND, interactive=card.has_sound),
            **_step_cache(plan.studio.settings.max_step_cache),
            **{present.LORA + name: _lora(name) for name in plan.studio.loras()},
        }


def _step_cache(most: float) -> Fields:
    if not most:
        return {}
    return {"step_cache": _slider(wording.STEP_CACHE, 0.0, most, 0.0, 0.01, wording.STEP_CACHE_HINT)}


def _lora(name: str) -> gr.Slider:
    return _slider(wording.lora(name), MIN_LORA_WEIGHT, MAX_LORA_WEIGHT, 0.0, 0.05, wording.LORA_HINT)


def _named(plan: TabPlan, name: Any) -> ModelCard | None:
    """The model of that name; the box takes any text."""
    return next((card for card in plan.studio.models() if card.name == name), None)


def _bounds(card: ModelCard, fields: Fields) -> dict[str, present.View]:
    return present.bounds(card) | {name: {"interactive": card.can_wear_loras} for name in _loras(fields)}


def _loras(fields: Fields) -> list[str]:
    return [name for name in fields if name.startswith(present.LORA)]


def _slider(label: str, low: float, high: float, value: float, step: float, info: str | None = None) -> gr.Slider:
    return gr.Slider(low, high, value, step=step, label=label, info=info, interactive=True, buttons=[])

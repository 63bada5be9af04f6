/** A question with one line of text for an answer. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

/** Choices that are offered at once, of those that hold what is typed. */
const OFFERED = 8;

export interface Question {
  title: string;
  answer: string;
  choices?: string[];
  done: (answer: string) => void;
}

export function Dialog({ question, close }: { question: Question; close: () => void }) {
  const element = useRef<HTMLDialogElement>(null);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    element.current!.showModal();
    input.current!.select();
  }, []);
  const typed = useSignal("");
  const keep = (answer: string) => {
    if (!answer) return;
    // Nothing behind an open dialog can have the focus.
    element.current!.close();
    close();
    question.done(answer);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    keep(input.current!.value.trim());
  };
  const wanted = typed.value.trim().toLowerCase();
  const offered = (question.choices ?? []).filter((choice) => choice.toLowerCase().includes(wanted)).slice(0, OFFERED);
  return (
    <dialog ref={element} onClose={close} aria-labelledby="question">
      <form onSubmit={submit}>
        <label><span id="question">{question.title}</span> <input ref={input} defaultValue={question.answer} required maxLength={200} onInput={(event) => (typed.value = event.currentTarget.value)} /></label>
        {offered.length > 0 && (
          <div class="bar choices">{offered.map((choice) => <button key={choice} type="button" onClick={() => keep(choice)}>{choice}</button>)}</div>
        )}
        <div class="bar"><button type="submit">Keep</button><button type="button" onClick={() => element.current!.close()}>Cancel</button></div>
      </form>
    </dialog>
  );
}

/** A question with one line of text for an answer. */
import { useEffect, useRef } from "preact/hooks";

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
  const submit = (event: Event) => {
    event.preventDefault();
    const answer = input.current!.value.trim();
    if (!answer) return;
    close();
    question.done(answer);
  };
  return (
    <dialog ref={element} onClose={close} aria-labelledby="question">
      <form onSubmit={submit}>
        <label><span id="question">{question.title}</span> <input ref={input} value={question.answer} list="choices" required maxLength={200} /></label>
        <datalist id="choices">{question.choices?.map((choice) => <option key={choice} value={choice} />)}</datalist>
        <div class="bar"><button type="submit">Keep</button><button type="button" onClick={close}>Cancel</button></div>
      </form>
    </dialog>
  );
}

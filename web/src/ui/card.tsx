// One entry in the list.

import type { CardFragment } from './operations';
import { Badges, Link, Monogram } from './parts';
import { addressOf, entryAddress, type Filter, remember } from './route';
import { categoryName } from './words';

const TAGS_MOST = 4;

export function Card({ card, filter }: { card: CardFragment; filter: Filter }) {
  return (
    <li className="card">
      <div className="name">
        <Monogram name={card.name} displayName={card.displayName} />
        <h2>
          <Link id={`card-${card.name}`} to={entryAddress(card.name)} onFollow={() => remember({ left: card.name })}>
            {card.displayName}
          </Link>
        </h2>
      </div>
      <p className="description">{card.description}</p>
      <div className="chips">
        <Badges entry={card} />
        <span className="unseen">Category: </span>
        <span className="category">{categoryName(card.category)}</span>
        {card.tags.slice(0, TAGS_MOST).map(tag => (
          <Link key={tag} className="chip" to={addressOf({ ...filter, tag })}>
            <span className="unseen">Tag: </span>
            {tag}
          </Link>
        ))}
      </div>
    </li>
  );
}

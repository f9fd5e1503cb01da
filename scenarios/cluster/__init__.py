"""A run shared out over the machines of a Ray cluster; its results are those of one process.

The head (the process that was started) keeps all that must last: the journal, the budget, the
stored sessions, the recommenders' training. Shards (Ray actors) run the sessions of their users and
call the language models; they hold nothing that the head does not have, but for calls under way.
So no shared file system is needed, and a shard may die at any instant:

    shard: Ask      may I have the answer to this?    head: looks into the journal, minds the budget
    head:  Go       not known, affordable: call the model
    shard: Came     this is what it said              head: commits it to the journal
    head:  Answer   the stored answer: use it
    shard: Ran      sessions that ended               head: stores them as a part of the run
"""
